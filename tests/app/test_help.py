"""The help of the command line."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tf_scenes.app.help import help_text, topic
from tf_scenes.config import flag_groups
from tf_scenes.errors import UserError
from tf_scenes.models import registry


def _flags(text):
    lines = (line for line in text.splitlines() if line.startswith("  --"))
    flags = [line.split()[0].split("=")[0] for line in lines if not line.startswith("  --help=")]
    return [flag for flag in flags if flag not in ("--model", "--flagfile")]


def _names(*groups):
    return [f"--{name}" for group in groups for name, _ in flag_groups()[group].flags()]


def test_help_shows_the_groups_and_the_flags_of_the_job():
    text = help_text()
    assert _flags(text) == _names("job")
    assert all(f"--help={group}" in text for group in flag_groups())
    assert all(f"  --model={name} " in text for name in registry.names())
    assert max(map(len, text.splitlines())) <= 120


def test_a_group_a_model_and_everything():
    assert _flags(help_text("data")) == _names("data")
    assert _flags(help_text("vae")) == _names("vae")
    assert _flags(help_text("discrete_air")) == _names("attention", "discrete_air")
    assert _flags(help_text("all")) == _names(*flag_groups())


def test_words_are_looked_for_in_names_and_texts():
    assert {"--seed", "--batch_size"} <= {*_flags(help_text("seed")), *_flags(help_text("batch"))}
    text = help_text("learning_rate_final")
    assert "A number" in text and _flags(text)[0] == "--learning_rate_final"
    by_group = help_text("latent").split("\n\n")
    assert by_group[0].startswith("lavae: Options of LAVAE") and by_group[1].startswith("  --lavae.latent_dim=")
    assert [part for part in by_group if part.startswith("vae: ")]
    assert help_text("flagfile").startswith("General flags\n\n  --model=lavae\n")
    with pytest.raises(UserError, match="--help=zebra: no flag has that word; groups of flags are job, data"):
        help_text("zebra")


def test_what_a_command_line_asks_for():
    assert topic(["--seed=1", "--help"]) == ""
    assert topic(["--help=lavae"]) == topic(["--help", "LAVAE"]) == "lavae"
    assert topic(["--help", "--seed=1"]) == topic(["--helpshort"]) == ""
    assert topic(["--seed=1", "--helpfull"]) is None


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("", "Error: nothing to do without flags: try python main.py --flagfile=configs/lavae.cfg, or see --help"),
        ("stray", "Error: unknown argument 'stray': only --flags are accepted, see --help"),
        ("--batchsize=3", "Error: Unknown command line flag 'batchsize'. Did you mean: batch_size ?"),
        ("--nodeterministic=1", "Error: --nodeterministic=1 does not take an argument"),
        ("--help=zebra", "Error: --help=zebra: no flag has that word"),
    ],
)
def test_wrong_arguments_are_one_line(argument, message):
    result = subprocess.run([sys.executable, "main.py", *argument.split()], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 1
    assert result.stderr.startswith(message) and result.stderr.count("\n") == 1


def test_help_may_be_cut_off():
    command = f"{sys.executable} main.py --help=all | head -n 1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=ROOT, env=os.environ)
    assert result.stdout.count("\n") == 1 and result.stderr == ""
