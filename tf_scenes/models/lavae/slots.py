"""Slots in use: what is computed for these alone, and put among all of them."""

from collections.abc import Callable

import tensorflow as tf


def among_all(slots: tf.Tensor, values: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Values of some slots among those of all slots, where the others have 0.

    Args:
        slots: Scene and number of each of these slots, int64 `[n, 2]`.
        values: Their values, `[n, ...]`.
        shape: Number of scenes, and of slots in each, int32 `[2]`.

    Returns:
        Values of all slots, `[batch, slots, ...]`.
    """
    # Indices like the shape, int32: were the shape cast, TensorFlow would forget its static part.
    return tf.scatter_nd(tf.cast(slots, tf.int32), values, tf.concat([shape, tf.shape(values)[1:]], axis=0))


def compute_in_use(
    network: Callable[[tf.Tensor], tf.Tensor], present: tf.Tensor, values: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """What a network makes of the values of present objects; absent ones take no time.

    Args:
        network: From values, float32 `[n, ...]`, to results, `[n, ...]`, such as from appearances to sprites.
        present: Whether there is an object in each slot, bool `[batch, slots]`.
        values: Values of all slots, float32 `[batch, slots, ...]`.

    Returns:
        Scene and slot of each present object, int64 `[n, 2]`, and its result, `[n, ...]`.
    """
    slots = tf.where(present)
    values = tf.gather_nd(values, slots)
    # One more is computed: oneDNN's convolutions fail on an empty batch, and so do sums in browsers' ONNX Runtime.
    return slots, network(tf.pad(values, [[0, 1], *[[0, 0]] * (values.shape.rank - 1)]))[:-1]
