"""Resuming a run from its newest intact checkpoint."""

import tensorflow as tf

from tf_scenes.errors import UserError


def restore_newest(checkpoint: tf.train.Checkpoint, manager: tf.train.CheckpointManager) -> None:
    """Restores the newest intact checkpoint; prints a warning for each damaged one that is skipped.

    A checkpoint that was being written when the run was killed is not on the manager's list. Checksums are verified
    when values are read. If nothing has been saved yet, nothing happens.

    Args:
        checkpoint: Checkpoint of the objects to restore, whose variables all exist.
        manager: Manager of the run's checkpoints.

    Raises:
        UserError: If there are checkpoints, but none of them is intact.
    """
    paths = list(reversed(manager.checkpoints))
    for path in paths:
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
            f"wrote them, or delete {manager.directory} to start again"
        )
