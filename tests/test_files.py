import os

import pytest

from tf_scenes.errors import UserError
from tf_scenes.files import read_json, write_json


def test_a_report_is_written_whole_or_not_at_all(tmp_path):
    path = str(tmp_path / "new" / "report.json")
    assert read_json(path) == {}
    write_json(path, {"test": {"elbo": -1.5}})
    assert read_json(path) == {"test": {"elbo": -1.5}}
    with pytest.raises(TypeError):
        write_json(path, {"test": object()})
    assert read_json(path) == {"test": {"elbo": -1.5}}
    assert os.listdir(tmp_path / "new") == ["report.json"]


@pytest.mark.parametrize("text", ['{"test": {', "[]"])
def test_a_damaged_report_is_named(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UserError, match="is damaged"):
        read_json(str(tmp_path / "report.json"))
