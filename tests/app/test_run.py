import pytest

from tf_scenes.app.run import _check_folder
from tf_scenes.errors import UserError
from tf_scenes.files import write_json


def test_a_run_from_before_a_flag_belongs_to_the_flag_s_default(make_config, tmp_path):
    def config(*flags):
        return make_config("--model=air", f"--run_dir={tmp_path}", *flags)

    flags = config().training_flags()
    del flags["attention.continue_first_step"]
    write_json(str(tmp_path / "flags.json"), flags)
    _check_folder(str(tmp_path), config())
    with pytest.raises(UserError, match=r"--attention.continue_first_step=7 \(there: 0\)"):
        _check_folder(str(tmp_path), config("--attention.continue_first_step=7"))
