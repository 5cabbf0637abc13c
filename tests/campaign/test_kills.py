"""Runs that are stopped at any moment, from the first step to the last table: what is there is whole, and goes on."""

import contextlib
import csv
import functools
import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.conftest import ROOT, WITH_PACKAGE
from tests.test_main import TINY
from tests.training.test_resume import checkpoint_values
from tf_scenes.serving.exported import ExportedModel

KILLS = 4
INTERRUPTIONS = 2
# Numbers of the processes of commands.
_STARTED = []


def _start(*arguments):
    command = [sys.executable, os.path.join(ROOT, "main.py"), *arguments]
    # A shell that starts tests in the background has them ignore Ctrl-C.
    heeds = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        command, cwd=ROOT, env=WITH_PACKAGE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=heeds
    )
    _STARTED.append(process.pid)
    return process


def _finish(*arguments):
    began, process = time.monotonic(), _start(*arguments)
    output = process.communicate()[0].decode()
    assert process.returncode == 0, output
    return time.monotonic() - began


def _kill(seconds, *arguments):
    process = _start(*arguments)
    time.sleep(seconds)
    process.kill()
    process.communicate()


def _interrupt(seconds, *arguments):
    """Ctrl-C, as a terminal sends it, but for the second in which Python itself starts; it is answered in one line.

    Returns:
        Whether it came before the end.
    """
    process = _start(*arguments)
    time.sleep(max(1.0, seconds))
    process.send_signal(signal.SIGINT)
    *_, last = process.communicate()[0].decode().splitlines()
    # After the last line there still is Python's own end.
    done = process.returncode == 0 or (process.returncode == -signal.SIGINT and last.startswith("Done"))
    assert done or process.returncode == 130, last
    assert last.startswith("Done" if done else "Interrupted") and "cluster" not in last
    return not done


def _assert_whole(folder):
    """Every file of results that has its final name can be read to its end."""
    for path in folder.rglob("*"):
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                assert all(arrays[name].size >= 0 for name in arrays)
        elif path.suffix == ".csv":
            rows = list(csv.reader(path.read_text().splitlines()))
            assert len({len(row) for row in rows}) == 1
        elif path.name == "saved_model.pb" and path.parent.name.isdecimal():
            tf.saved_model.load(str(path.parent))


def _names(folder):
    """Names of all files of results; those of TensorBoard tell times and processes."""
    return {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and "tfevents" not in path.name
    }


def _job(path):
    return (*TINY, f"--run_dir={path / 'run'}", f"--export_dir={path / 'saved'}")


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(12):
        pixels = np.random.RandomState(number).uniform(size=(64, 80)) > 0.95
        Image.fromarray(pixels.astype(np.uint8) * 255).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a job that ran without interruption, and the seconds that it took."""
    path = tmp_path_factory.mktemp("whole")
    return path, _finish(*_job(path))


@pytest.mark.campaign
def test_a_job_that_is_stopped_at_any_moment_ends_as_if_it_had_not_been(whole, tmp_path):
    expected, seconds = whole
    moments = random.Random(0)
    for _ in range(KILLS):
        _kill(moments.uniform(0.15, 1.0) * seconds, *_job(tmp_path))
        _assert_whole(tmp_path)
    interrupted = []
    for _ in range(INTERRUPTIONS):
        interrupted.append(_interrupt(moments.uniform(0.0, 0.5) * seconds, *_job(tmp_path)))
        _assert_whole(tmp_path)
    assert any(interrupted)
    _finish(*_job(tmp_path))
    _assert_whole(tmp_path)
    assert _names(tmp_path / "run") == _names(expected / "run")
    assert not [name for name in _names(tmp_path) if "unfinished" in name or "_temp" in name or name.endswith(".tmp")]
    values, wanted = checkpoint_values(tmp_path / "run"), checkpoint_values(expected / "run")
    assert values.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_array_equal(values[name], value, err_msg=name)
    ours, theirs = (json.loads((path / "run" / "report.json").read_text()) for path in (tmp_path, expected))
    assert {**ours, "train_seconds": 0} == {**theirs, "train_seconds": 0}
    ExportedModel(str(tmp_path / "saved"))


@pytest.mark.campaign
def test_a_prediction_that_is_killed_at_any_moment_is_made_again(whole, pictures, tmp_path):
    predict = ("--mode=predict", f"--predict_images={pictures}", f"--predict_models={whole[0] / 'saved'}")
    seconds = _finish(*predict, f"--predict_dir={tmp_path / 'whole'}")
    moments = random.Random(1)
    for _ in range(KILLS // 2):
        _kill(moments.uniform(0.3, 1.0) * seconds, *predict, f"--predict_dir={tmp_path / 'killed'}")
        if (tmp_path / "killed").exists():
            _assert_whole(tmp_path / "killed")
    _finish(*predict, f"--predict_dir={tmp_path / 'killed'}")
    assert _names(tmp_path / "killed") == _names(tmp_path / "whole")
    for table in ("counts.csv", "objects.csv", "instances.json"):
        assert (tmp_path / "killed" / table).read_bytes() == (tmp_path / "whole" / table).read_bytes()


@pytest.mark.campaign
@pytest.mark.parametrize("processes", [0, 2])
def test_a_pipeline_that_is_stopped_or_loses_a_worker_ends_in_one_line_and_is_made_again(
    whole, pictures, tmp_path, processes
):
    parquet = pytest.importorskip("pyarrow.parquet", reason="Apache Beam is missing: pip install 'tf_scenes[beam]'")
    places = (f"--predict_images={pictures}", f"--predict_models={whole[0] / 'saved'}")
    options = ("--direct_running_mode=multi_processing", f"--direct_num_workers={processes}") if processes else ()
    predict = (
        "--mode=predict_beam",
        *places,
        "--predict_pictures",
        f"--predict_dir={tmp_path / 'found'}",
        "--",
        *options,
    )
    seconds, moments = _finish(*predict), random.Random(2)
    rows = _parquet_rows(parquet, tmp_path / "found")
    assert len(rows) == len(list(pictures.iterdir()))
    for _ in range(INTERRUPTIONS):
        _interrupt(moments.uniform(0.3, 1.0) * seconds, *predict)
        _kill(moments.uniform(0.3, 1.0) * seconds, *predict)
        _assert_whole(tmp_path / "found")
        time.sleep(1.0)
        assert not _workers()
    if processes:
        assert "a worker process was lost" in _lose_a_worker(*predict)
    _finish(*predict)
    assert _parquet_rows(parquet, tmp_path / "found") == rows
    assert not [name for name in os.listdir(tmp_path / "found") if name.startswith("beam-temp")]


def _parquet_rows(parquet, folder):
    tables = [parquet.read_table(path) for path in folder.glob("counts-*.parquet")]
    return sorted(tuple(row.values()) for table in tables for row in table.to_pylist())


def _workers():
    """Numbers of the worker processes of the commands that were started here."""
    marks = [f"from tf_scenes.beam.worker import main; main({command})".encode() for command in _STARTED]
    found = []
    for number in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{number}/cmdline", "rb") as file:
            code = file.read()
            if any(mark in code for mark in marks):
                found.append(int(number))
    return found


def _lose_a_worker(*arguments):
    """Kills one of a pipeline's workers; returns the last line that the command says."""
    process = _start(*arguments)
    while not _workers():
        assert process.poll() is None
        time.sleep(0.1)
    os.kill(_workers()[0], signal.SIGKILL)
    *_, last = process.communicate()[0].decode().splitlines()
    assert process.returncode == 1
    return last
