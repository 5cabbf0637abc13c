"""Matching of glimpses with rotated templates: which category an object is of, and how it is turned, all tried out.

An addition to the paper. There the rotation comes from the network that finds the object; a wrong angle then has to be
paid for by the category, and a slightly wrong one has no gradient towards the right one. Here every rotation of every
template is laid over the glimpse: a mixture model whose exact posterior is a small matrix product. Its likelihood
trains the templates, its posterior teaches the networks. One more component of the mixture is blank, so that glimpses
of nothing belong to no template. No labels take part.
"""

import math
from typing import NamedTuple, Optional

import tensorflow as tf

from tf_scenes.layers import affine
from tf_scenes.layers.spatial_transformer import SpatialTransformer


class Match(NamedTuple):
    """The exact posterior of category and rotation given a glimpse.

    Attributes:
        loss: float32 `[batch]`, -2 sigma^2 times the log-likelihood, up to a constant: a soft minimum of the squared
            errors, from their mean where sigma is large to the least where it is small.
        category_losses: float32 `[batch, categories]`, the same for each category alone.
        categories: float32 `[batch, categories]`, probabilities.
        rotations: float32 `[batch, categories, rotations]`, probabilities given each category.
        object_probability: float32 `[batch]`, that there is an object at all. All else is given that there is.
    """

    loss: tf.Tensor
    category_losses: tf.Tensor
    categories: tf.Tensor
    rotations: tf.Tensor
    object_probability: tf.Tensor

    def sampled_loss(self, seed: tf.Tensor) -> tf.Tensor:
        """The loss of a category that is drawn from the posterior, `[batch]`; `seed` int32 `[2]`.

        The expectation of its gradient is the gradient of `loss` (stochastic EM). While templates are alike the exact
        gradient moves all of them together and keeps them alike; drawing gives each one other objects to learn from.
        """
        drawn = tf.random.stateless_categorical(tf.math.log(tf.stop_gradient(self.categories)), 1, seed)[:, 0]
        return tf.gather(self.category_losses, drawn, batch_dims=1)


class TemplateMatching(tf.keras.layers.Layer):
    """Mixture of all templates at equally spaced angles, with Gaussian pixels."""

    def __init__(self, num_categories: int, num_rotations: int, glimpse_size: int, name: Optional[str] = None):
        """Creates the layer; its one weight, not trained by gradients, holds the log-prior that balances categories.

        Args:
            num_categories: K.
            num_rotations: angles tried out, equally spaced over the circle.
            glimpse_size: side of glimpses and templates, pixels.
            name: of the layer.
        """
        super().__init__(name=name, dtype="float32")
        self.num_rotations = num_rotations
        self._num_categories = num_categories
        self._transformer = SpatialTransformer(glimpse_size)
        self._log_prior = self.add_weight(
            name="log_prior",
            shape=[num_categories],
            initializer="zeros",
            trainable=False,
            aggregation=tf.VariableAggregation.MEAN,
        )

    def angles(self) -> tf.Tensor:
        """The angles that are tried out: float32 `[rotations]`, radians."""
        return tf.range(self.num_rotations, dtype=tf.float32) * (2.0 * math.pi / self.num_rotations)

    def bank(self, templates: tf.Tensor) -> tf.Tensor:
        """All templates at all angles.

        Args:
            templates: float32 `[categories, size, size, channels]`.

        Returns:
            float32 `[categories * rotations, size * size * channels]`.
        """
        count = tf.shape(templates)[0]
        directions = tf.stack([tf.cos(self.angles()), tf.sin(self.angles())], axis=-1)
        turned = affine.rotation(tf.tile(directions, [count, 1])).inverse()
        views = self._transformer.read(tf.repeat(templates, self.num_rotations, axis=0), turned)
        return tf.reshape(views, [count * self.num_rotations, -1])

    def match(self, glimpses: tf.Tensor, bank: tf.Tensor, noise: tf.Tensor) -> Match:
        """The posterior of each glimpse.

        Args:
            glimpses: float32 `[batch, size, size, channels]`.
            bank: what `bank` gave.
            noise: standard deviation sigma of the pixels, scalar; large values make all categories and angles alike.
        """
        pixels = tf.reshape(glimpses, [tf.shape(glimpses)[0], -1])
        blank_error = tf.reduce_sum(pixels**2, axis=1, keepdims=True)
        squared_error = blank_error - 2.0 * tf.matmul(pixels, bank, transpose_b=True) + tf.reduce_sum(bank**2, axis=1)
        shape = [-1, self._num_categories, self.num_rotations]
        logits = tf.reshape(-squared_error / (2.0 * noise**2), shape)
        joint = tf.reduce_logsumexp(logits, axis=2) - math.log(self.num_rotations) + tf.nn.log_softmax(self._log_prior)
        # Blank is as likely beforehand as any one category.
        blank = -blank_error[:, 0] / (2.0 * noise**2) - math.log(self._num_categories)
        return Match(
            loss=-2.0 * noise**2 * tf.reduce_logsumexp(joint, axis=1),
            category_losses=-2.0 * noise**2 * joint,
            categories=tf.nn.softmax(joint),
            rotations=tf.nn.softmax(logits),
            object_probability=tf.sigmoid(tf.reduce_logsumexp(joint, axis=1) - blank),
        )

    def balance(self, use: tf.Tensor, rate: float, limit: float = 2.0) -> None:
        """Moves the log-prior so that all categories come to be used alike, as the uniform prior of z_cat says.

        Without it one template may take everything before the others are good at anything.

        Args:
            use: float32 `[categories]`, each category's share of the objects of a step.
            rate: how far the log-prior moves for a share that is wrong by 1.
            limit: the log-prior stays within plus and minus this.
        """
        excess = use - tf.reduce_mean(use)
        self._log_prior.assign(tf.clip_by_value(self._log_prior - rate * excess, -limit, limit))
