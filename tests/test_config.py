import pytest
from absl import flags

from tf_scenes import config
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
    assert make_config(f"--flagfile={path}", "--run_dir=elsewhere").job.run_dir == "elsewhere"
    assert make_config("--dataset=multi_digits").job.run_dir == "runs/lavae_multi_digits"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--min_objects=4"], r"--min_objects=4 is above --max_objects=3"),
        (["--sprite_size=70"], "--sprite_size=70 is above --image_size=64"),
        (["--dataset=images"], "--dataset=images needs --images_path"),
        (["--dataset=multi_custom"], "--dataset=multi_custom needs --sprites_path"),
        (["--lavae.generated_size=20"], "--lavae.generated_size=20 must be odd"),
        (["--lavae.count_window=6"], "--lavae.count_window=6 must be odd"),
        (["--lavae.temperature_final=0.9"], "temperature_final must not be above"),
        (["--learning_rate_final=0.9"], "--learning_rate_final must not be above"),
        (["--max_inferred_objects=2"], "--max_inferred_objects must not be below --max_objects"),
        (["--steps_per_report=15"], "--steps_per_report must be a multiple of --steps_per_execution"),
    ],
)
def test_combinations_that_cannot_work_are_one_line(make_config, arguments, message):
    with pytest.raises(UserError, match=message) as error:
        make_config(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "argument", ["--mode=play", "--batch_size=0", "--batch_size=x", "--dataset=cifar", "--lavae.strides=3", "--nope=1"]
)
def test_wrong_values_are_refused_when_flags_are_parsed(make_config, argument):
    with pytest.raises(UserError, match=argument.split("=")[0].strip("-")):
        make_config(argument)


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
