"""Batch normalisation that knows whether a model is trained on several devices."""

from typing import Any

import tensorflow as tf

layers = tf.keras.layers

# Keras's default of 0.99 needs thousands of steps before moving averages mean anything.
_MOMENTUM = 0.9


def batch_normalization(local: bool = False) -> layers.BatchNormalization:
    """A layer for the current strategy: over the whole global batch, however many devices share it.

    Args:
        local: takes each device's own images instead: within `tf.cond` devices cannot talk to each other.
    """
    # On one device the plain layer is the same and, as one fused operation, faster.
    several = tf.distribute.get_strategy().num_replicas_in_sync > 1
    return _Synchronized(momentum=_MOMENTUM) if several and not local else layers.BatchNormalization(momentum=_MOMENTUM)


class _Synchronized(layers.BatchNormalization):
    """Keras's synchronised layer, whose moving averages any one worker can read without the others."""

    def __init__(self, momentum: float):
        super().__init__(momentum=momentum, synchronized=True)

    def add_weight(self, *args: Any, **kwargs: Any) -> tf.Variable:
        """As Keras, but moving averages are kept equal when they are written and not when they are read."""
        if kwargs.get("synchronization") == tf.VariableSynchronization.ON_READ:
            kwargs["synchronization"] = tf.VariableSynchronization.AUTO
        return super().add_weight(*args, **kwargs)
