"""Invariant information clustering (Ji et al., 2019): a category is what stays the same when an object is moved.

An addition to the paper, whose categories have to emerge from the likelihood alone. The mutual information between the
categories of two randomly transformed views of the same glimpse is large if the two agree and all categories are in
use. The transformations are those that z_where describes, so that the category describes the rest. No labels are used.
"""

import dataclasses
import math
from typing import Optional

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
    """

    rotation: float = math.radians(25.0)
    skew: float = 0.3
    log_scale: float = 0.15
    translation: float = 0.1


def random_views(glimpses: tf.Tensor, view_range: ViewRange, seed: tf.Tensor) -> tf.Tensor:
    """A random affine view of each glimpse, of the glimpse's shape; pixels from outside the glimpse are 0.

    Args:
        glimpses: Glimpses, float32 `[batch, size, size, channels]`.
        view_range: Largest transformations.
        seed: Random seed, int32 `[2]`.
    """
    count = tf.shape(glimpses)[0]
    seeds = tfp.random.split_seed(seed, n=4, salt="views")

    def uniform(number: int, size: int, limit: float) -> tf.Tensor:
        return tf.random.stateless_uniform([count, size], seeds[number], -limit, limit)

    angle = uniform(0, 1, view_range.rotation)[:, 0]
    transform = affine.scale_and_translation(
        tf.exp(uniform(1, 2, view_range.log_scale)), uniform(2, 2, view_range.translation)
    )
    transform = transform.after(affine.rotation(tf.stack([tf.cos(angle), tf.sin(angle)], axis=-1)))
    transform = transform.after(affine.skew(uniform(3, 2, view_range.skew)))
    return SpatialTransformer(glimpses.shape[1]).read(glimpses, transform)


def mutual_information(first: tf.Tensor, second: tf.Tensor, weights: Optional[tf.Tensor] = None) -> tf.Tensor:
    """Mutual information between the categories of paired views, with their joint distribution estimated on the batch.

    Args:
        first: Category probabilities of the first view of each pair, float32 `[batch, heads, categories]`.
        second: Category probabilities of the second view of each pair, of the same shape.
        weights: Weight of each pair, float32 `[batch]`; equal weights by default.

    Returns:
        Mutual information of each head, float32 `[heads]`, in nats, from 0 to log(categories).
    """
    weights = tf.ones_like(first[:, 0, 0]) if weights is None else weights
    joint = tf.einsum("b,bhi,bhj->hij", weights, first, second)
    joint = (joint + tf.linalg.matrix_transpose(joint)) / 2.0
    joint = tf.maximum(joint / (tf.reduce_sum(joint, axis=[1, 2], keepdims=True) + 1e-6), 1e-8)
    marginal = tf.reduce_sum(joint, axis=2, keepdims=True)
    independent = tf.math.log(marginal) + tf.math.log(tf.linalg.matrix_transpose(marginal))
    return tf.reduce_sum(joint * (tf.math.log(joint) - independent), axis=[1, 2])
