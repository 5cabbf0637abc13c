"""A run's checkpoints: written in the course of training, found again whatever happened to their folder."""

import os
import re
import shutil

import tensorflow as tf
from google.protobuf import text_format
from tensorflow.python.training import checkpoint_state_pb2

from tf_scenes.errors import UserError
from tf_scenes.files import write_text

_NAME = "step"
# TensorFlow's list of the checkpoints in a folder.
_STATE = "checkpoint"


def make_manager(checkpoint: tf.train.Checkpoint, folder: str, keep: int) -> tf.train.CheckpointManager:
    """A manager that goes on with the checkpoints in a folder, without what a killed run left half-written in it.

    Args:
        checkpoint: Checkpoint of what is to be saved.
        folder: Folder of the checkpoints; there may be none yet.
        keep: Number of newest checkpoints that are kept.
    """
    paths = _whole(folder)
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        path = os.path.join(folder, name)
        if re.fullmatch(rf"{_NAME}-\d+_temp", name):
            shutil.rmtree(path, ignore_errors=True)
        elif re.match(rf"{_NAME}-\d+\.", name) and path.rpartition(".")[0] not in paths:
            os.remove(path)
    _write_state(folder, paths)
    return tf.train.CheckpointManager(checkpoint, folder, max_to_keep=keep, checkpoint_name=_NAME)


def restore_newest(checkpoint: tf.train.Checkpoint, folder: str) -> None:
    """Restores the newest intact checkpoint; prints a warning for each damaged one that is skipped.

    Checksums are verified when values are read. If nothing has been saved yet, nothing happens.

    Args:
        checkpoint: Checkpoint of the objects to restore, whose variables all exist.
        folder: Folder of the checkpoints.

    Raises:
        UserError: If there are checkpoints, but none of them is intact.
    """
    paths = _whole(folder)
    for path in reversed(paths):
        status = None
        try:
            status = checkpoint.restore(path)
            status.assert_existing_objects_matched().expect_partial()  # Earlier versions saved more.
            return
        # TensorFlow's reader raises errors of many Python types.
        except (tf.errors.OpError, AssertionError, IndexError, RuntimeError, ValueError) as error:
            if status is not None:
                status.expect_partial()  # Otherwise TensorFlow lists every value that found no place.
            reason = str(error).splitlines()[0].partition(" Showing")[0]
            print(f"Warning: {path} is damaged, or from another version of tf_scenes: {reason}", flush=True)
    if paths:
        raise UserError(
            f"none of the {len(paths)} checkpoints of this run can be used: go on with the version of tf_scenes that "
            f"wrote them, or delete {folder} to start again"
        )


def _write_state(folder: str, paths: list[str]) -> None:
    """Writes the list of checkpoints anew, since it may be lost or damaged; removes it if there are none."""
    path = os.path.join(folder, _STATE)
    if paths:
        times = [os.path.getmtime(f"{each}.index") for each in paths]
        state = checkpoint_state_pb2.CheckpointState(
            model_checkpoint_path=os.path.basename(paths[-1]),
            all_model_checkpoint_paths=map(os.path.basename, paths),
            all_model_checkpoint_timestamps=times,
            last_preserved_timestamp=min(times) - 1.0,  # Whatever is older stays for ever.
        )
        write_text(path, text_format.MessageToString(state))
    elif os.path.isfile(path):
        os.remove(path)


def _whole(folder: str) -> list[str]:
    """Paths of the checkpoints that were written to the end, oldest first; TensorFlow writes their index last."""
    names = os.listdir(folder) if os.path.isdir(folder) else ()
    steps = sorted(int(found[1]) for name in names if (found := re.fullmatch(rf"{_NAME}-(\d+)\.index", name)))
    return [os.path.join(folder, f"{_NAME}-{step}") for step in steps]
