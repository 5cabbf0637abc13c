import os

import pytest

from tf_scenes.app.run_folder import check_folder, read_report
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
    check_folder(config())
    with pytest.raises(UserError, match=r"--attention.continue_first_step=7 \(there: 0\)"):
        check_folder(config("--attention.continue_first_step=7"))


def test_a_folder_belongs_to_a_run_once_there_is_a_checkpoint(make_config, tmp_path):
    write_json(str(tmp_path / "flags.json"), make_config("--model=air").training_flags())
    other = make_config("--model=vae", f"--run_dir={tmp_path}")
    check_folder(other)
    _save_checkpoint(tmp_path)
    with pytest.raises(UserError, match=r"belongs to a run with other flags: .*--model=vae \(there: air\)"):
        check_folder(other)


def test_a_run_is_extended_by_more_steps_alone(make_config, tmp_path):
    def config(*flags):
        return make_config("--model=vae", f"--run_dir={tmp_path}", *flags)

    write_json(str(tmp_path / "flags.json"), make_config("--model=vae", "--train_steps=60").training_flags())
    _save_checkpoint(tmp_path)
    check_folder(config("--train_steps=90"))
    for flags in (("--train_steps=50",), ("--train_steps=90", "--seed=1"), ("--train_steps=90", "--mode=evaluate")):
        with pytest.raises(UserError, match="belongs to a run with other flags"):
            check_folder(config(*flags))


def test_a_trained_run_is_used_with_its_own_flags_unless_others_are_given(make_config, tmp_path):
    trained = make_config("--model=lavae", "--seed=3", "--batch_size=7", "--lavae.outline_level=0.3")
    write_json(str(tmp_path / "flags.json"), trained.training_flags())
    write_json(str(tmp_path / "model.json"), {"inference_flags": trained.inference_flags()})
    _save_checkpoint(tmp_path)
    used = make_config("--mode=evaluate", f"--run_dir={tmp_path}")
    check_folder(used)
    assert used.training_flags() == trained.training_flags() and used.inference_flags() == trained.inference_flags()
    wider = make_config("--mode=evaluate", f"--run_dir={tmp_path}", "--lavae.outline_level=0.2")
    check_folder(wider)
    assert wider.model_options["lavae"].outline_level == 0.2
    for mode in ("train", "evaluate"):  # Training takes nothing from a folder.
        given = make_config(f"--mode={mode}", f"--run_dir={tmp_path}", "--model=lavae", "--seed=4", "--batch_size=7")
        with pytest.raises(UserError, match=r"belongs to a run with other flags: --seed=4 \(there: 3\)$"):
            check_folder(given)
    assert make_config("--mode=train", f"--run_dir={tmp_path}").training.batch_size == 64
    by_export = make_config("--mode=predict", f"--run_dir={tmp_path}", "--predict_images=x", "--predict_models=y")
    assert by_export.training.batch_size == 64


def test_which_modes_use_a_run(make_config, tmp_path):
    uses = {
        "train": (),
        "evaluate": (),
        "predict": ("--predict_images=x",),
        "edit": ("--edit_path=x",),
    }
    others = {"compare": ("--compare_runs=x",), "predict": (*uses["predict"], "--predict_models=x")}
    others["edit"] = (*uses["edit"], "--edit_models=x")
    for expected, modes in ((True, uses), (False, others)):
        for mode, flags in modes.items():
            config = make_config(f"--mode={mode}", f"--run_dir={tmp_path}", *flags)
            assert config.uses_run == expected
            if expected and mode != "train":
                with pytest.raises(UserError, match="holds no run: train first"):
                    check_folder(config)


def test_a_report_is_read_if_it_is_one(tmp_path):
    path = str(tmp_path / "report.json")
    assert read_report(path) == {}
    report = {"flags": {"seed": 0}, "test": {"elbo": -1.0}, "train_steps": 3, "train_seconds": 1.5, "parameters": 9}
    write_json(path, report)
    assert read_report(path) == report
    for damaged in ({"test": 5}, {"flags": {}, "test": 5}, {"flags": 3}, {"test": {}}):
        write_json(path, damaged)
        with pytest.raises(UserError, match=r"report\.json is damaged: it is no report of a run; delete it"):
            read_report(path)


def test_a_run_knows_where_its_data_was_as_far_as_it_goes_with_what_is_given(make_config, tmp_path):
    images = ("--dataset=images", "--images_path=pictures", "--masks_path=outlines", "--test_path=tested")
    trained = make_config(*images)
    write_json(str(tmp_path / "flags.json"), trained.training_flags())
    write_json(str(tmp_path / "model.json"), {"paths": trained.data.absolute_paths()})
    _save_checkpoint(tmp_path)

    def paths(*flags):
        data = make_config("--mode=evaluate", f"--run_dir={tmp_path}", *flags).data
        return [path and os.path.basename(path) for path in (data.images_path, data.masks_path, data.test_path)]

    assert paths() == ["pictures", "outlines", "tested"]
    assert paths("--test_path=others") == ["pictures", None, "others"]
    assert paths("--images_path=others") == ["others", None, None]
    assert os.path.isabs(make_config("--mode=export", f"--run_dir={tmp_path}").data.images_path)


def test_an_exported_model_in_the_place_of_a_run_is_named(make_config, tmp_path):
    (tmp_path / "encoder" / "1").mkdir(parents=True)
    for mode in ("evaluate", "generate"):
        with pytest.raises(UserError, match="holds an exported model, not a run: name it by --predict_models"):
            check_folder(make_config(f"--mode={mode}", f"--run_dir={tmp_path}"))
