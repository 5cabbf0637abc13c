import pytest
from absl import flags

from tf_scenes import config
from tf_scenes.data.datasets import load_dataset
from tf_scenes.errors import UserError


def test_defaults_are_the_papers(make_config):
    defaults = make_config()
    assert defaults.model_options["lavae"].latent_dim == 32
    assert defaults.model_options["lavae"].temperature_steps == 100_000
    assert (defaults.training.batch_size, defaults.training.learning_rate) == (64, 1e-3)
    assert (defaults.data.train_size, defaults.data.test_size) == (190_000, 10_000)


def test_folders_are_named_after_the_flagfile(make_config, tmp_path):
    path = tmp_path / "my_run.cfg"
    path.write_text("--seed=7\n")
    for arguments in ((f"--flagfile={path}",), ("--flagfile", str(path))):
        made = make_config(*arguments)
        assert (made.job.seed, made.job.run_dir, made.job.export_dir) == (7, "runs/my_run", "exports/my_run")
    elsewhere = make_config(f"--flagfile={path}", "--run_dir=other/mine/").job
    assert (elsewhere.run_dir, elsewhere.export_dir) == ("other/mine/", "exports/mine")
    assert make_config("--mode=compare", "--compare_runs=a").job.run_dir == "runs/comparison"
    assert make_config("--dataset=multi_digits").job.run_dir == "runs/lavae_multi_digits"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--min_objects=4"], r"--min_objects=4 is above --max_objects=3"),
        (["--sprite_size=70"], "--sprite_size=70 is above --image_size=64"),
        (["--images_path=x"], "--images_path=x is for --dataset=images only"),
        (["--lavae.generated_size=20"], "--lavae.generated_size=20 must be odd"),
        (["--lavae.count_window=6"], "--lavae.count_window=6 must be odd"),
        (["--lavae.tested_window=6"], "--lavae.tested_window=6 must be odd, or 0"),
        (["--lavae.explains_away"], "--lavae.explains_away needs --lavae.patch_size"),
        (["--lavae.recenters"], "--lavae.recenters needs --lavae.centering_weight"),
        (["--lavae.temperature_final=0.9"], "temperature_final must not be above"),
        (["--learning_rate_final=0.9"], "--learning_rate_final must not be above"),
        (["--max_inferred_objects=2"], "--max_inferred_objects must not be below --max_objects"),
        (
            ["--export_onnx", "--precision=mixed_bfloat16"],
            "--export_onnx needs another --precision than mixed_bfloat16",
        ),
        (["--steps_per_report=15"], "--steps_per_report must be a multiple of --steps_per_execution"),
        (
            ("--mode=predict", "--predict_images=a", "--predict_csv"),
            "--predict_csv needs --mode=predict_beam: --mode=predict writes CSV",
        ),
    ],
)
def test_combinations_that_cannot_work_are_one_line(make_config, arguments, message):
    with pytest.raises(UserError, match=message) as error:
        make_config(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--mode=play", "--mode=play must be one of train, evaluate, "),
        ("--batch_size=0", "--batch_size=0 must be a whole number, from 1 to 65,536"),
        ("--batch_size=x", "--batch_size=x must be a whole number, from 1 to 65,536"),
        ("--dataset=cifar", "--dataset=cifar must be one of multi_dsprites, "),
        ("--lavae.strides=3", "--lavae.strides=3 must be a whole number, from 1 to 2"),
        ("--learning_rate=fast", "--learning_rate=fast must be a number, 1e-09 or more"),
        ("--flip_crops=maybe", "--flip_crops=maybe must be true or false"),
        ("--model=cnn", "--model=cnn: value should be one of"),
        ("--train_steps=99999999999", "--train_steps=99999999999 must be at most 2,147,483,647"),
        (f"--train_size={10**30}", "must be a whole number, from 1 to 1,000,000,000"),
        ("--lavae.count_threshold=nan", "--lavae.count_threshold=nan must be a finite number"),
        ("--lavae.presence_weight=inf", "--lavae.presence_weight=inf must be a finite number"),
        ("--nope=1", "Unknown command line flag 'nope'"),
    ],
)
def test_wrong_values_are_refused_when_flags_are_parsed(make_config, argument, message):
    with pytest.raises(UserError, match=message):
        make_config(argument)


@pytest.mark.parametrize(("dataset", "flag"), [("images", "images_path"), ("multi_custom", "sprites_path")])
def test_a_data_set_of_files_needs_their_path_to_be_loaded(make_config, dataset, flag):
    data = make_config(f"--dataset={dataset}").data
    for check in (data.require_paths, lambda: load_dataset(data, seed=0)):
        with pytest.raises(UserError, match=f"--dataset={dataset} needs --{flag}"):
            check()


def test_flags_in_python_are_a_list_of_flags(make_config):
    with pytest.raises(UserError, match=r"flags must be a list of texts, such as \['--seed=1'\]"):
        config.config_of("--seed=1")
    with pytest.raises(UserError, match="unknown argument 'stray': only --flags are accepted"):
        make_config("--seed=1", "stray")


def test_exports_may_be_in_the_run_s_folder(make_config):
    made = make_config("--run_dir=runs/mine/", "--export_dir={run_dir}/exported")
    assert made.job.export_dir == "runs/mine/exported"


def test_a_tilde_is_the_user_s_home(make_config, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    made = make_config("--dataset=images", "--images_path=~/pictures", "--run_dir=~/runs/mine")
    assert (made.data.images_path, made.job.run_dir) == ("/home/ada/pictures", "/home/ada/runs/mine")


def test_every_flag_has_a_help_text():
    values = flags.FlagValues()
    config.define_flags(values)
    own = [values[name] for name in values if name not in flags.FlagValues()]
    assert len(own) > 50
    assert all(len(flag.help) > 5 for flag in own)


def test_what_training_depends_on(make_config):
    kept = make_config("--run_dir=a", "--num_generated=3", "--seed=5").training_flags()
    assert kept["seed"] == 5
    assert kept["lavae.latent_dim"] == 32
    assert not {"run_dir", "mode", "num_generated"} & set(kept)
