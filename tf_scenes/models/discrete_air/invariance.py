"""Invariant information clustering (Ji et al., 2019): a category is what stays the same when an object is moved.

An addition to the paper, whose categories have to emerge from the likelihood alone. The mutual information between the
categories of two randomly transformed views of the same glimpse is large if the two agree and all categories are in
use. The transformations are those that z_where describes, so that the category describes the rest. No labels are used.
"""

import dataclasses
import math

import tensorflow as tf
import tensorflow_probability as tfp

from tf_scenes.layers import affine
from tf_scenes.layers.spatial_transformer import SpatialTransformer


@dataclasses.dataclass(frozen=True)
class ViewRange:
    """Largest random transformations from a glimpse to a view; each is uniform from minus its limit to its limit.

    Attributes:
        rotation: Largest rotation in radians.
        skew: Largest shear factor.
        log_scale: Largest natural logarithm of the scale.
        translation: Largest translation as a multiple of half the glimpse's side.
        stroke: Largest change of the width of strokes, in pixels, up to 1.
    """

    rotation: float = math.radians(25.0)
    skew: float = 0.3
    log_scale: float = 0.15
    translation: float = 0.1
    stroke: float = 1.0


def random_views(glimpses: tf.Tensor, view_range: ViewRange, seed: tf.Tensor) -> tf.Tensor:
    """A random view of each glimpse, of its shape: an affine map, and wider or thinner strokes; outside of it is 0.

    Args:
        glimpses: Glimpses, float32 `[batch, size, size, channels]`.
        view_range: Largest transformations.
        seed: Random seed, int32 `[2]`.
    """
    count = tf.shape(glimpses)[0]
    seeds = tfp.random.split_seed(seed, n=5, salt="views")

    def uniform(number: int, size: int, limit: float) -> tf.Tensor:
        return tf.random.stateless_uniform([count, size], seeds[number], -limit, limit)

    angle = uniform(0, 1, view_range.rotation)[:, 0]
    transform = affine.scale_and_translation(
        tf.exp(uniform(1, 2, view_range.log_scale)), uniform(2, 2, view_range.translation)
    )
    transform = transform.after(affine.rotation(tf.stack([tf.cos(angle), tf.sin(angle)], axis=-1)))
    transform = transform.after(affine.skew(uniform(3, 2, view_range.skew)))
    views = SpatialTransformer(glimpses.shape[1]).read(glimpses, transform)
    return _with_strokes(views, uniform(4, 1, view_range.stroke)[:, :, None, None])


def _with_strokes(views: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
    """Widens strokes by up to a pixel on each side, or where `change` is below 0 takes up to a pixel off one side."""
    wider = tf.nn.max_pool2d(views, 3, 1, "SAME")
    thinner = -tf.nn.max_pool2d(-views, 2, 1, "SAME")
    return views + tf.abs(change) * (tf.where(change > 0.0, wider, thinner) - views)


def joint_distribution(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Joint distribution of the categories of paired views, estimated on the batch, the same for both orders.

    Args:
        first: Category probabilities of the first view of each pair, float32 `[batch, heads, categories]`.
        second: Category probabilities of the second view of each pair, of the same shape.

    Returns:
        Joint probabilities of each head, float32 `[heads, categories, categories]`.
    """
    joint = tf.einsum("bhi,bhj->hij", first, second)
    joint = joint + tf.linalg.matrix_transpose(joint)
    return joint / tf.reduce_sum(joint, axis=[1, 2], keepdims=True)


def mutual_information(joint: tf.Tensor) -> tf.Tensor:
    """Mutual information of two views' categories, float32 `[heads]`, in nats, from 0 to log(categories).

    Args:
        joint: Joint probabilities, float32 `[heads, categories, categories]`.
    """
    joint = tf.maximum(joint, 1e-8)
    rows, columns = (tf.reduce_sum(joint, axis=axis, keepdims=True) for axis in (2, 1))
    return tf.reduce_sum(joint * (tf.math.log(joint) - tf.math.log(rows) - tf.math.log(columns)), axis=[1, 2])
