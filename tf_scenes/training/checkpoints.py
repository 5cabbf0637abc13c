"""Taking a run up again from its newest checkpoint that is whole."""

import tensorflow as tf

from tf_scenes.errors import UserError


def restore_newest(checkpoint: tf.train.Checkpoint, manager: tf.train.CheckpointManager) -> None:
    """Restores the newest checkpoint; a damaged one is named, and the one before it used.

    A checkpoint that was being written when the run was killed is not on the manager's list. Values are read with their
    checksums. Where nothing has been saved yet nothing happens.

    Args:
        checkpoint: what is to be restored; all its variables exist.
        manager: of the run's checkpoints.

    Raises:
        UserError: there are checkpoints, and none of them is whole.
    """
    paths = list(reversed(manager.checkpoints))
    for path in paths:
        try:
            checkpoint.restore(path).assert_existing_objects_matched()
            return
        # TensorFlow's reader turns its errors into many Python types.
        except (tf.errors.OpError, AssertionError, IndexError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            print(f"Warning: the checkpoint {path} is damaged or of another model: {reason}", flush=True)
    if paths:
        raise UserError(
            f"none of the {len(paths)} checkpoints of this run is whole: delete {manager.directory} to begin anew"
        )
