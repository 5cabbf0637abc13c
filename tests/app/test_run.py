import pytest

from tf_scenes.app.run import _check_folder
from tf_scenes.errors import UserError
from tf_scenes.files import write_json


def _save_checkpoint(folder):
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "step-60.index").touch()


def test_a_run_from_before_a_flag_belongs_to_the_flag_s_default(make_config, tmp_path):
    def config(*flags):
        return make_config("--model=air", f"--run_dir={tmp_path}", *flags)

    flags = config().training_flags()
    del flags["attention.continue_first_step"]
    write_json(str(tmp_path / "flags.json"), flags)
    _save_checkpoint(tmp_path)
    _check_folder(str(tmp_path), config())
    with pytest.raises(UserError, match=r"--attention.continue_first_step=7 \(there: 0\)"):
        _check_folder(str(tmp_path), config("--attention.continue_first_step=7"))


def test_a_folder_belongs_to_a_run_once_there_is_a_checkpoint(make_config, tmp_path):
    write_json(str(tmp_path / "flags.json"), make_config("--model=air").training_flags())
    other = make_config("--model=vae")
    _check_folder(str(tmp_path), other)
    _save_checkpoint(tmp_path)
    with pytest.raises(UserError, match=r"belongs to a run with other flags: .*--model=vae \(there: air\)"):
        _check_folder(str(tmp_path), other)


def test_a_run_is_extended_by_more_steps_alone(make_config, tmp_path):
    write_json(str(tmp_path / "flags.json"), make_config("--model=vae", "--train_steps=60").training_flags())
    _save_checkpoint(tmp_path)
    _check_folder(str(tmp_path), make_config("--model=vae", "--train_steps=90"))
    for flags in (("--train_steps=50",), ("--train_steps=90", "--seed=1"), ("--train_steps=90", "--mode=evaluate")):
        with pytest.raises(UserError, match="belongs to a run with other flags"):
            _check_folder(str(tmp_path), make_config("--model=vae", *flags))
