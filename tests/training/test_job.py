import pytest

from tf_scenes.config import training_flags
from tf_scenes.errors import UserError
from tf_scenes.reports import write_report
from tf_scenes.training.job import _claim_folder


def test_a_run_from_before_a_flag_belongs_to_the_flag_s_default(make_config, tmp_path):
    def config(*flags):
        return make_config("--model=air", f"--run_dir={tmp_path}", *flags)

    flags = training_flags(config())
    del flags["attention.continue_first_step"]
    write_report(str(tmp_path / "flags.json"), flags)
    _claim_folder(str(tmp_path), config())
    with pytest.raises(UserError, match=r"--attention.continue_first_step=7 \(there: 0\)"):
        _claim_folder(str(tmp_path), config("--attention.continue_first_step=7"))
