"""Local maxima of a map, by which LAVAE counts objects (Appendix B)."""

import numpy as np
import tensorflow as tf

from tf_scenes.layers.neighborhoods import largest_around


def local_maxima(values: tf.Tensor, window: int, threshold: tf.Tensor) -> tf.Tensor:
    """Where a map has local maxima above a threshold.

    Of equal maxima within one window only the last pixel in row-major order counts, so that a plateau is one maximum.

    Args:
        values: Map, float32 `[batch, height, width]`.
        window: Side of the square neighbourhood in pixels, odd.
        threshold: Value that a maximum must exceed, scalar.

    Returns:
        Whether each pixel is such a maximum, bool `[batch, height, width]`.
    """
    shape = tf.shape(values)
    index = tf.cast(tf.reshape(tf.range(1, shape[1] * shape[2] + 1), [1, shape[1], shape[2]]), values.dtype)
    is_maximum = tf.equal(values, largest_around(values[..., None], window)[..., 0]) & (values > threshold)
    rank = tf.where(is_maximum, index, tf.zeros_like(values))
    return is_maximum & tf.equal(rank, largest_around(rank[..., None], window)[..., 0])


def count_local_maxima(values: tf.Tensor, window: int, threshold: tf.Tensor) -> tf.Tensor:
    """Number of local maxima above the threshold of each map: int32 `[batch]`; arguments as for `local_maxima`."""
    return tf.reduce_sum(tf.cast(local_maxima(values, window, threshold), tf.int32), axis=[1, 2])


def highest_local_maxima(
    values: tf.Tensor, window: int, threshold: tf.Tensor, max_objects: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """The highest local maxima above the threshold, in descending order.

    Args:
        values: Map, float32 `[batch, height, width]`.
        window: Side of the square neighbourhood in pixels, odd.
        threshold: Value that a maximum must exceed, scalar.
        max_objects: Maximum number of maxima to return.

    Returns:
        Positions, int32 `[batch, max_objects, 2]`, y then x, and 0 beyond the last maximum; whether each is a maximum,
        bool `[batch, max_objects]`.
    """
    shape = tf.shape(values)
    maxima = local_maxima(values, window, threshold)
    heights = tf.where(maxima, values, tf.fill(shape, tf.float32.min))
    flat = tf.reshape(heights, [shape[0], -1])
    # top_k needs at least max_objects values, and the map may have fewer pixels.
    flat = tf.pad(flat, [[0, 0], [0, tf.maximum(0, max_objects - tf.shape(flat)[1])]], constant_values=tf.float32.min)
    highest, index = tf.math.top_k(flat, k=max_objects)
    present = highest > tf.float32.min
    centers = tf.stack([index // shape[2], index % shape[2]], axis=-1)
    return tf.where(present[..., None], centers, tf.zeros_like(centers)), present


def best_threshold(values: np.ndarray, is_object: np.ndarray) -> float:
    """The threshold on values that separates objects from the rest with the fewest errors.

    Of equally good thresholds, it is the middle of the widest gap between neighbouring values.

    Args:
        values: Values, float `[values]`, at least one.
        is_object: Whether each value belongs to an object, bool `[values]`, at least one true.
    """
    order = np.argsort(values)
    values, is_object = values[order].astype(np.float64), is_object[order]
    # Threshold i lies just below value i; the first lies below and the last above all values, by the mean gap's width.
    missed = np.concatenate([[0], np.cumsum(is_object)])
    false = np.concatenate([np.cumsum(~is_object[::-1])[::-1], [0]])
    margin = max(1e-3, float(np.ptp(values)) / len(values))
    edges = np.concatenate([[values[0] - 2.0 * margin], values, [values[-1] + 2.0 * margin]])
    gaps = np.where(missed + false == (missed + false).min(), np.diff(edges), -1.0)
    best = int(gaps.argmax())
    return float((edges[best] + edges[best + 1]) / 2.0)
