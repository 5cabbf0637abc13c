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
from tests.models.model_table import COMMON, MODELS
from tf_scenes.errors import UserError
from tf_scenes.training.checkpoints import restore_newest

FLAGS = (
    *COMMON,
    *MODELS["vae"],
    "--dataset=multi_digits",
    "--max_objects=1",
    "--many_objects=2",
    "--test_size=8",
    "--batch_size=4",
    "--train_steps=16",
    "--steps_per_report=4",
    "--report_size=4",
    "--warm_up_images=0",
)


def _start(path):
    folders = [f"--run_dir={path}", f"--export_dir={path}/saved"]
    command = [sys.executable, "-u", os.path.join(ROOT, "main.py"), *FLAGS, *folders]
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


def _kill_after(path, new_files, more_seconds):
    """Kills a run a while after so many new files have been seen among its checkpoints."""
    process, folder = _start(path), os.path.join(path, "checkpoints")
    before = set(os.listdir(folder)) if os.path.isdir(folder) else set()
    seen = set()
    while process.poll() is None and len(seen) < new_files:
        seen |= set(os.listdir(folder)) - before if os.path.isdir(folder) else set()
    time.sleep(more_seconds)
    assert process.poll() is None, process.communicate()[0]
    process.send_signal(signal.SIGKILL)
    process.communicate()


def _values(path):
    reader = tf.train.load_checkpoint(os.path.join(path, "checkpoints"))
    names = [name for name in reader.get_variable_to_shape_map() if "train_seconds" not in name and "GRAPH" not in name]
    return {name: reader.get_tensor(name) for name in names if "save_counter" not in name}


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_with_the_same_bits(tmp_path):
    whole, killed = str(tmp_path / "whole"), str(tmp_path / "killed")
    uninterrupted = _start(whole)
    moments = random.Random(0)
    _kill_after(killed, 3, moments.uniform(0.0, 0.5))  # Some time after the first checkpoint.
    _kill_after(killed, 1, 0.0)  # While a checkpoint is being written.
    assert "Going on from step" in _stop_at_the_end(_start(killed), killed)
    _stop_at_the_end(uninterrupted, whole)
    expected, values = _values(whole), _values(killed)
    assert expected.keys() == values.keys()
    assert len(expected) > 20
    for name, value in expected.items():
        np.testing.assert_array_equal(values[name], value, err_msg=name)


@pytest.fixture
def saved(tmp_path):
    """A checkpoint of two variables, its manager, and its files of steps 1 and 2; the variable's value is the step."""
    variables = [tf.Variable(tf.zeros([100])), tf.Variable(0.0)]
    checkpoint = tf.train.Checkpoint(first=variables[0], second=variables[1])
    manager = tf.train.CheckpointManager(checkpoint, str(tmp_path), max_to_keep=3, checkpoint_name="step")
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


@pytest.mark.parametrize("how", ["missing", "short", "changed"])
@pytest.mark.parametrize("part", ["data-00000-of-00001", "index"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(saved, how, part, capsys):
    variables, checkpoint, manager = saved
    _damage(f"{manager.latest_checkpoint}.{part}", how)
    restore_newest(checkpoint, manager)
    assert all((variable.numpy() == 1.0).all() for variable in variables)
    assert f"{manager.directory}/step-2 is damaged" in capsys.readouterr().out
    _damage(f"{manager.checkpoints[0]}.{part}", how)
    with pytest.raises(UserError, match="none of the 2 checkpoints"):
        restore_newest(checkpoint, manager)


def test_a_checkpoint_of_another_version_is_reported_without_a_list_of_its_values(saved, caplog, capsys):
    *_, manager = saved
    other = tf.train.Checkpoint(renamed=tf.Variable(0.0))
    manager = tf.train.CheckpointManager(other, manager.directory, max_to_keep=3, checkpoint_name="step")
    with pytest.raises(UserError, match="go on with the version of tf_scenes that wrote them"):
        restore_newest(other, manager)
    del other, manager
    gc.collect()  # TensorFlow complains when what it read is thrown away.
    assert "from another version of tf_scenes" in capsys.readouterr().out
    assert not [record for record in caplog.records if "could not be found" in record.getMessage()]
