"""tools/ablation.py with runs that take no time."""

import importlib.util
import os
import subprocess
import sys

import pytest
from absl import flags

from tests.conftest import ROOT
from tf_scenes import config, flagfiles
from tf_scenes.files import read_json, write_json


@pytest.fixture
def ablation():
    spec = importlib.util.spec_from_file_location("ablation", os.path.join(ROOT, "tools", "ablation.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_row_is_a_run_that_the_package_accepts(ablation):
    for study in ablation.STUDIES:
        settings = set()
        for _, name, changes in ablation.rows_of(study):
            words = [f"--flagfile={os.path.join(ROOT, 'configs', name)}.cfg", *changes, "--mnist_path=somewhere"]
            values = flags.FlagValues()
            config.define_flags(values)
            values(flagfiles.expand(["program", *words]))
            read = config.config_from_flags(values, ["program"])
            settings.add(str(sorted({**read.training_flags(), **read.inference_flags()}.items())))
        assert len(settings) == len(ablation.rows_of(study))  # Each row differs from all others.


def test_rows_keep_the_changes_before_them_unless_they_are_alternatives(ablation):
    rows = [changes for _, _, changes in ablation.rows_of("sprites")]
    assert rows[0] == ()
    assert all(later[: len(earlier)] == earlier for earlier, later in zip(rows, rows[1:]))
    assert all(len(changes) == 1 for _, _, changes in ablation.rows_of("combinations"))


def test_a_killed_study_goes_on_where_it_stopped(ablation, monkeypatch, tmp_path, capsys):
    started = []

    def run(command):
        words = dict(word[2:].split("=", 1) for word in command if word.startswith("--"))
        started.append(words["discrete_air.combination"])
        if len(started) == 2:
            return subprocess.CompletedProcess(command, -9)
        measures = {"count_accuracy": 0.9, "correspondence": 0.8, "elbo": -12.345}
        report = {"validation": measures, "validation_3": {**measures, "count_accuracy": 0.75}, "train_seconds": 90}
        write_json(os.path.join(words["run_dir"], "report.json"), report)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["ablation.py", "--study=combinations", f"--runs={tmp_path}"])
    with pytest.raises(SystemExit, match="the row 'multiplicative' stopped"):
        ablation.main()
    ablation.main()
    assert started == ["additive", "multiplicative", "multiplicative", "convolutional"]
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("| convolutional |"))
    assert row == "| convolutional | 0.9 | - | - | 0.8 | - | - | -12.35 | 0.75 | - | - | 0.8 | - | - | -12.35 | 2 |"
    assert read_json(os.path.join(tmp_path, "combinations", "additive", "report.json"))
