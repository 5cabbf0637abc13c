"""Batch normalisation for training on one or several devices."""

from typing import Any

import tensorflow as tf

from tf_scenes.stack import keras

layers = keras.layers

# With Keras's default of 0.99, moving averages take much longer to become meaningful.
_MOMENTUM = 0.9


def batch_normalization(local: bool = False) -> layers.BatchNormalization:
    """A batch normalisation layer whose statistics cover the global batch of the current distribution strategy.

    Args:
        local: Whether statistics cover each device's own images only; needed within `tf.cond`, where devices cannot
            communicate.
    """
    # On one device the plain layer is equivalent and, being a single fused operation, faster.
    several = tf.distribute.get_strategy().num_replicas_in_sync > 1
    return _Synchronized(momentum=_MOMENTUM) if several and not local else layers.BatchNormalization(momentum=_MOMENTUM)


class _Synchronized(layers.BatchNormalization):
    """Keras's synchronised layer, changed so that a worker can read the moving averages without the other workers."""

    def __init__(self, momentum: float):
        super().__init__(momentum=momentum, synchronized=True)

    def add_weight(self, *args: Any, **kwargs: Any) -> tf.Variable:
        """Creates a weight; moving averages are synchronised when they are written instead of when they are read."""
        if kwargs.get("synchronization") == tf.VariableSynchronization.ON_READ:
            kwargs["synchronization"] = tf.VariableSynchronization.AUTO
        return super().add_weight(*args, **kwargs)
