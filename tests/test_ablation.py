"""tools/ablation.py with runs that take no time."""

import functools
import os
import shutil
import subprocess
import sys
import threading

import pytest

from tests.conftest import ROOT, load_tool
from tf_scenes.config import config_of
from tf_scenes.files import read_json, write_json


@pytest.fixture
def ablation():
    return load_tool("ablation")


def test_every_row_is_a_run_that_the_package_accepts(ablation):
    for study in ablation.STUDIES:
        settings = set()
        for _, name, changes in ablation.rows_of(study):
            read = config_of([f"--flagfile={os.path.join(ROOT, 'configs', name)}.cfg", *changes])
            settings.add(str(sorted({**read.training_flags(), **read.inference_flags()}.items())))
        assert len(settings) == len(ablation.rows_of(study))  # Each row differs from all others.


def test_rows_keep_the_changes_before_them_unless_they_are_alternatives(ablation):
    rows = [changes for _, _, changes in ablation.rows_of("sprites")]
    assert rows[0] == ()
    assert all(later[: len(earlier)] == earlier for earlier, later in zip(rows, rows[1:]))
    assert all(len(changes) == 1 for _, _, changes in ablation.rows_of("combinations"))


class Runs:
    """Stands in for the runs of main.py: writes reports; some runs are killed, at first the second."""

    def __init__(self, monkeypatch):
        self.rows, self.trained, self.killed = [], [], [2]
        monkeypatch.setattr(subprocess, "run", self._run)

    def _run(self, command):
        config = config_of(command[2:])
        folder = config.job.run_dir
        self.rows.append(os.path.basename(folder))
        if len(self.rows) in self.killed:
            return subprocess.CompletedProcess(command, -9)
        if not os.path.exists(os.path.join(folder, "checkpoints")):
            self.trained.append(self.rows[-1])
            os.makedirs(os.path.join(folder, "checkpoints"))
        measures = {"count_accuracy": 0.9, "correspondence": 0.8, "elbo": -12.345}
        report = {"validation": measures, "validation_3": {**measures, "count_accuracy": 0.75}, "train_seconds": 90}
        flags = {"flags": config.training_flags(), "inference_flags": config.inference_flags()}
        write_json(os.path.join(folder, "report.json"), {**report, **flags})
        return subprocess.CompletedProcess(command, 0)


def _study(ablation, monkeypatch, folder, name, *arguments):
    monkeypatch.setattr(sys, "argv", ["ablation.py", f"--study={name}", f"--runs={folder}", *arguments])
    ablation.main()


def test_a_killed_study_goes_on_where_it_stopped(ablation, monkeypatch, tmp_path, capsys):
    runs = Runs(monkeypatch)
    with pytest.raises(SystemExit, match="the row 'multiplicative' stopped"):
        _study(ablation, monkeypatch, tmp_path, "combinations")
    _study(ablation, monkeypatch, tmp_path, "combinations")
    assert runs.rows == ["additive", "multiplicative", "multiplicative", "convolutional"]
    lines = capsys.readouterr().out.splitlines()
    names = ("counts", "correspondence", "ELBO")  # What no row has is left out.
    header = [f"{split}: {name}" for split in ("validation", "validation_3") for name in names]
    assert f"|  | {' | '.join(header)} | training, min |" in lines
    assert "| convolutional | 0.9 | 0.8 | -12.35 | 0.75 | 0.8 | -12.35 | 2 |" in lines
    assert read_json(os.path.join(tmp_path, "combinations", "additive", "report.json"))
    with pytest.raises(SystemExit, match="is of a run with other flags: delete it"):
        _study(ablation, monkeypatch, tmp_path, "combinations", "--flags=--train_steps=7500")


def test_rows_that_differ_in_inference_alone_are_trained_once(ablation, monkeypatch, tmp_path):
    runs = Runs(monkeypatch)
    with pytest.raises(SystemExit):
        _study(ablation, monkeypatch, tmp_path, "sprites")
    _study(ablation, monkeypatch, tmp_path, "sprites")
    assert set(runs.rows) - set(runs.trained) == {"pruning", "nine_guesses"}


def test_kept_rows_are_not_made_again_once_their_runs_are_gone(ablation, monkeypatch, tmp_path, capsys):
    runs = Runs(monkeypatch)
    runs.killed.append(4)
    study = functools.partial(_study, ablation, monkeypatch, tmp_path / "runs")
    keep = ("combinations", f"--keep={tmp_path / 'kept'}")
    with pytest.raises(SystemExit, match="the row 'multiplicative' stopped"):
        study(keep[0])  # A row that was finished before is kept as well.
    with pytest.raises(SystemExit, match="the row 'convolutional' stopped"):
        study(*keep)
    shutil.rmtree(tmp_path / "runs")
    study(*keep)
    assert runs.rows == ["additive", *["multiplicative"] * 2, *["convolutional"] * 2]
    assert (
        sum(line.startswith(("| additive | 0.9", "| multi", "| conv")) for line in capsys.readouterr().out.splitlines())
        == 3
    )
    report = tmp_path / "kept" / "combinations" / "additive" / "report.json"
    kept = read_json(str(report))
    write_json(str(report), {**kept, "inference_flags": {**kept["inference_flags"], "max_inferred_objects": 99}})
    with pytest.raises(SystemExit, match="kept/combinations/additive is of a run with other flags"):
        study(*keep)


def test_rows_side_by_side_share_the_cores(ablation, monkeypatch, tmp_path):
    together, runs, calls = threading.Barrier(2, timeout=60), Runs(monkeypatch), []
    runs.rows += ["", ""]  # None is killed.
    run = subprocess.run

    def run_together(command, env, stdout, **_):
        calls.append((env["OMP_NUM_THREADS"], os.path.relpath(stdout.name, tmp_path)))
        if len(calls) <= 2:
            together.wait()
        return run(command)

    monkeypatch.setattr(subprocess, "run", run_together)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    _study(ablation, monkeypatch, tmp_path, "combinations", "--side_by_side=2")
    names = ("additive", "multiplicative", "convolutional")
    assert sorted(calls) == sorted(("2", f"said/combinations/{name}.txt") for name in names)


def test_early_counts_are_read_from_the_logs(ablation, monkeypatch, tmp_path):
    monkeypatch.setattr(ablation, "read_curve", lambda folder, name: ([100, 200], [0.5, 0.75]))
    expected = {"counts after 200 steps": 0.75, "counts after 1,000 steps": None}
    assert ablation.early_counts(str(tmp_path), [200, 1_000]) == expected
    assert ablation.early_counts(str(tmp_path), []) == {}
