"""Slots in use: what is computed for these alone, and put among all of them."""

from collections.abc import Callable
from typing import TypeVar

import tensorflow as tf

# A tensor, or several.
Results = TypeVar("Results")


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
    network: Callable[..., Results], present: tf.Tensor, *values: tf.Tensor
) -> tuple[tf.Tensor, Results]:
    """What a network makes of the values of present objects; absent ones take no time.

    Args:
        network: From values, float32 `[n, ...]`, to results, `[n, ...]`, such as from appearances to sprites; several
            of either are possible.
        present: Whether there is an object in each slot, bool `[batch, slots]`.
        values: Values of all slots, float32 `[batch, slots, ...]`.

    Returns:
        Scene and slot of each present object, int64 `[n, 2]`, and its results, `[n, ...]`.
    """
    slots = tf.where(present)
    return slots, never_empty(network, *(tf.gather_nd(each, slots) for each in values))


def never_empty(network: Callable[..., Results], *values: tf.Tensor) -> Results:
    """What a network makes of values of which there may be none, `[n, ...]`; its results, `[n, ...]`.

    One more is computed: oneDNN's convolutions fail on an empty batch, and so do sums in browsers' ONNX Runtime.
    """
    results = network(*(tf.pad(each, [[0, 1], *[[0, 0]] * (each.shape.rank - 1)]) for each in values))
    return tf.nest.map_structure(lambda result: result[:-1], results)
