"""Runs that are killed, for real, and go on: the weights must be those of a run that never was."""

import gc
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import ROOT
from tests.data.test_tfrecords import binarized, write
from tests.models.model_table import COMMON, MODELS
from tf_scenes.errors import UserError
from tf_scenes.training.checkpoints import make_manager, restore_newest

FLAGS = (
    *COMMON,
    *MODELS["vae"],
    "--max_objects=1",
    "--many_objects=2",
    "--test_size=8",
    "--batch_size=4",
    "--train_steps=16",
    "--steps_per_report=4",
    "--report_size=4",
    "--warm_up_images=0",
)


def _start(path, *data):
    folders = [f"--run_dir={path}", f"--export_dir={path}/saved"]
    command = [sys.executable, "-u", os.path.join(ROOT, "main.py"), *FLAGS, *data, *folders]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _stop_at_the_end(process, path):
    """What a run prints until its last checkpoint is there; these tests do not check anything later."""
    while process.poll() is None:
        last = tf.train.latest_checkpoint(os.path.join(path, "checkpoints"))
        if last and last.endswith("step-16"):
            process.kill()
        time.sleep(0.05)
    output = process.communicate()[0]
    assert process.returncode in (0, -signal.SIGKILL), output
    return output


def _kill_after(path, new_files, more_seconds, *data):
    """Kills a run a while after so many new files have been seen among its checkpoints."""
    process, folder = _start(path, *data), os.path.join(path, "checkpoints")
    before = set(os.listdir(folder)) if os.path.isdir(folder) else set()
    seen = set()
    while process.poll() is None and len(seen) < new_files:
        seen |= set(os.listdir(folder)) - before if os.path.isdir(folder) else set()
    time.sleep(more_seconds)
    assert process.poll() is None, process.communicate()[0]
    process.send_signal(signal.SIGKILL)
    process.communicate()


def checkpoint_values(path):
    """The values in a run's newest checkpoint that must not depend on interruptions, by name."""
    reader = tf.train.load_checkpoint(os.path.join(path, "checkpoints"))
    names = [name for name in reader.get_variable_to_shape_map() if "train_seconds" not in name and "GRAPH" not in name]
    return {name: reader.get_tensor(name) for name in names if "save_counter" not in name}


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["multi_digits", "tfrecords"])
def test_a_run_killed_again_and_again_ends_with_the_same_bits(dataset, tmp_path):
    whole, killed, data = str(tmp_path / "whole"), str(tmp_path / "killed"), [f"--dataset={dataset}"]
    if dataset == "tfrecords":  # Of 28 scenes to train on, so that 16 steps of 4 take more than two passes.
        write(tmp_path / "scenes.tfrecords", map(binarized, range(40)))
        data += [f"--tfrecords_path={tmp_path / 'scenes.tfrecords'}", "--image_size=64", "--validation_size=4"]
    uninterrupted = _start(whole, *data)
    moments = random.Random(0)
    _kill_after(killed, 3, moments.uniform(0.0, 0.5), *data)  # Some time after the first checkpoint.
    _kill_after(killed, 1, 0.0, *data)  # While a checkpoint is being written.
    assert "Going on from step" in _stop_at_the_end(_start(killed, *data), killed)
    _stop_at_the_end(uninterrupted, whole)
    expected, values = checkpoint_values(whole), checkpoint_values(killed)
    assert expected.keys() == values.keys()
    assert len(expected) > 20
    for name, value in expected.items():
        np.testing.assert_array_equal(values[name], value, err_msg=name)


@pytest.fixture
def saved(tmp_path):
    """A checkpoint of two variables, its manager, and its files of steps 1 and 2; the variable's value is the step."""
    variables = [tf.Variable(tf.zeros([100])), tf.Variable(0.0)]
    checkpoint = tf.train.Checkpoint(first=variables[0], second=variables[1])
    manager = make_manager(checkpoint, str(tmp_path), keep=3)
    for step in (1, 2):
        for variable in variables:
            variable.assign(tf.fill(variable.shape, float(step)))
        manager.save(checkpoint_number=step)
    return variables, checkpoint, manager


def _damage(path, how):
    if how == "missing":
        os.remove(path)
    elif how == "short":
        os.truncate(path, os.path.getsize(path) // 2)
    else:
        with open(path, "r+b") as file:
            file.seek(10)
            file.write(b"\xff\xff")


def _of_step(variables, step):
    return all((variable.numpy() == step).all() for variable in variables)


@pytest.mark.parametrize(
    ("part", "how"),
    [
        ("index", "short"),
        ("index", "changed"),
        *(("data-00000-of-00001", how) for how in ("missing", "short", "changed")),
    ],
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(saved, part, how, capsys):
    variables, checkpoint, manager = saved
    _damage(f"{manager.latest_checkpoint}.{part}", how)
    restore_newest(checkpoint, manager.directory)
    assert _of_step(variables, 1)
    assert f"{manager.directory}/step-2 is damaged" in capsys.readouterr().out
    _damage(f"{manager.checkpoints[0]}.{part}", how)
    with pytest.raises(UserError, match="none of the 2 checkpoints"):
        restore_newest(checkpoint, manager.directory)


@pytest.mark.parametrize("state", [None, b"", b"\xff\x00garbage", b'model_checkpoint_path: "step-9"\n'])
def test_whole_checkpoints_are_found_whatever_became_of_their_list(saved, tmp_path, state):
    variables, checkpoint, _ = saved
    if state is None:
        os.remove(tmp_path / "checkpoint")
    else:
        (tmp_path / "checkpoint").write_bytes(state)
    variables[1].assign(9.0)
    restore_newest(checkpoint, str(tmp_path))
    assert _of_step(variables, 2)
    manager = make_manager(checkpoint, str(tmp_path), keep=2)
    assert manager.checkpoints == [str(tmp_path / "step-1"), str(tmp_path / "step-2")]
    manager.save(checkpoint_number=10)  # After 2, though not by its letters.
    manager = make_manager(checkpoint, str(tmp_path), keep=2)
    assert manager.checkpoints == [str(tmp_path / "step-2"), str(tmp_path / "step-10")]
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "step-10")
    assert not list(tmp_path.glob("step-1.*"))


def test_what_a_killed_run_left_half_written_is_removed(saved, tmp_path):
    variables, checkpoint, _ = saved
    (tmp_path / "step-3_temp").mkdir()
    (tmp_path / "step-3_temp" / "part-00000-of-00001.index").touch()
    (tmp_path / "step-3.data-00000-of-00001").touch()
    (tmp_path / "notes.txt").touch()
    restore_newest(checkpoint, str(tmp_path))
    assert _of_step(variables, 2) and (tmp_path / "step-3_temp").exists()  # Only training changes a folder.
    make_manager(checkpoint, str(tmp_path), keep=2)
    steps = {f"step-{step}.{part}" for step in (1, 2) for part in ("index", "data-00000-of-00001")}
    assert set(os.listdir(tmp_path)) == {"checkpoint", "notes.txt", *steps}


def test_without_checkpoints_there_is_nothing_to_restore(tmp_path):
    variable = tf.Variable(3.0)
    checkpoint = tf.train.Checkpoint(variable=variable)
    restore_newest(checkpoint, str(tmp_path / "none"))
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "step-9"\n')
    restore_newest(checkpoint, str(tmp_path))
    assert float(variable) == 3.0
    assert make_manager(checkpoint, str(tmp_path), keep=1).checkpoints == []


def test_a_checkpoint_of_another_version_is_reported_without_a_list_of_its_values(saved, caplog, capsys):
    *_, manager = saved
    other = tf.train.Checkpoint(renamed=tf.Variable(0.0))
    with pytest.raises(UserError, match="go on with the version of tf_scenes that wrote them"):
        restore_newest(other, manager.directory)
    del other, manager
    gc.collect()  # TensorFlow complains when what it read is thrown away.
    assert "from another version of tf_scenes" in capsys.readouterr().out
    assert not [record for record in caplog.records if "could not be found" in record.getMessage()]
