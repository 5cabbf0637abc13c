"""Invariant information clustering: a category is what stays the same when an object is moved (Ji et al., 2019).

An addition to the paper, whose categories have to emerge from the likelihood alone. The mutual information between the
categories of two randomly transformed views of one glimpse is large if views agree and all categories are in use. The
transformations are those that z_where stands for, so that the category is left with the rest. No labels take part.
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
    """How far random views differ from the glimpse; uniform in both directions.

    Attributes:
        rotation: radians.
        skew: shear factor.
        log_scale: natural logarithm of the scale.
        translation: in halves of the glimpse's side.
    """

    rotation: float = math.radians(25.0)
    skew: float = 0.3
    log_scale: float = 0.15
    translation: float = 0.1


def random_views(glimpses: tf.Tensor, view_range: ViewRange, seed: tf.Tensor) -> tf.Tensor:
    """A random affine view of each glimpse, the same shape; what comes in from outside is 0.

    Args:
        glimpses: float32 `[batch, size, size, channels]`.
        view_range: how far views differ.
        seed: int32 `[2]`.
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
    """Mutual information of the categories of paired views, whose joint distribution the batch estimates.

    Args:
        first: float32 `[batch, heads, categories]`, probabilities of the one views.
        second: of the other views, the same shape.
        weights: float32 `[batch]`, how much each pair counts; all alike by default.

    Returns:
        float32 `[heads]`, nats, from 0 to log(categories).
    """
    weights = tf.ones_like(first[:, 0, 0]) if weights is None else weights
    joint = tf.einsum("b,bhi,bhj->hij", weights, first, second)
    joint = (joint + tf.linalg.matrix_transpose(joint)) / 2.0
    joint = tf.maximum(joint / (tf.reduce_sum(joint, axis=[1, 2], keepdims=True) + 1e-6), 1e-8)
    marginal = tf.reduce_sum(joint, axis=2, keepdims=True)
    independent = tf.math.log(marginal) + tf.math.log(tf.linalg.matrix_transpose(marginal))
    return tf.reduce_sum(joint * (tf.math.log(joint) - independent), axis=[1, 2])
