"""Template matching: finds an object's category and rotation by trying every template at every angle.

An addition to the paper. There the network that finds an object also gives its rotation: the category then has to
compensate for a wrong angle, and a wrong angle has no gradient towards the right one. Here every rotation of every
template is compared with the glimpse. This is a mixture model whose exact posterior takes a small matrix product: its
likelihood trains the templates, and its posterior teaches the networks. One more component of the mixture is blank, so
that empty glimpses belong to no template. No labels are used.
"""

import math
from typing import NamedTuple, Optional

import tensorflow as tf

from tf_scenes.layers import affine
from tf_scenes.layers.spatial_transformer import SpatialTransformer
from tf_scenes.stack import keras


class Match(NamedTuple):
    """The exact posterior of category and rotation given a glimpse.

    Attributes:
        loss: -2 sigma^2 times the log-likelihood up to a constant, float32 `[batch]`: a soft minimum of squared errors,
            between their mean (for large sigma) and their minimum (for small sigma).
        category_losses: The same loss for each category alone, float32 `[batch, categories]`.
        categories: Probabilities of the categories, float32 `[batch, categories]`.
        rotations: Probabilities of the angles given each category, float32 `[batch, categories, rotations]`.
        object_probability: Probability that the glimpse shows an object at all, float32 `[batch]`; all other values
            assume that it does.
    """

    loss: tf.Tensor
    category_losses: tf.Tensor
    categories: tf.Tensor
    rotations: tf.Tensor
    object_probability: tf.Tensor

    def sampled_loss(self, seed: tf.Tensor) -> tf.Tensor:
        """The loss of a category that is drawn from the posterior: `[batch]`.

        The expectation of its gradient is the gradient of `loss` (stochastic EM). While templates are alike, the exact
        gradient moves all of them together and keeps them alike; with draws each learns from different objects.

        Args:
            seed: Random seed, int32 `[2]`.
        """
        drawn = tf.random.stateless_categorical(tf.math.log(tf.stop_gradient(self.categories)), 1, seed)[:, 0]
        return tf.gather(self.category_losses, drawn, batch_dims=1)


class TemplateMatching(keras.layers.Layer):
    """Mixture model of all templates at equally spaced angles, with Gaussian pixels."""

    def __init__(self, num_categories: int, num_rotations: int, glimpse_size: int, name: Optional[str] = None):
        """Creates the layer, whose only weight is the log-prior that balances categories, not trained by gradients.

        Args:
            num_categories: Number of categories, K.
            num_rotations: Number of angles to try, equally spaced over the circle.
            glimpse_size: Side of glimpses and templates in pixels.
            name: Name of the layer.
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
        """The angles that are tried: float32 `[rotations]`, in radians."""
        return tf.range(self.num_rotations, dtype=tf.float32) * (2.0 * math.pi / self.num_rotations)

    def bank(self, templates: tf.Tensor) -> tf.Tensor:
        """Rotates all templates to all angles.

        Args:
            templates: Templates, float32 `[categories, size, size, channels]`.

        Returns:
            Pixels of the rotated templates, float32 `[categories * rotations, size * size * channels]`.
        """
        count = tf.shape(templates)[0]
        directions = tf.stack([tf.cos(self.angles()), tf.sin(self.angles())], axis=-1)
        turned = affine.rotation(tf.tile(directions, [count, 1])).inverse()
        views = self._transformer.read(tf.repeat(templates, self.num_rotations, axis=0), turned)
        return tf.reshape(views, [count * self.num_rotations, -1])

    def match(self, glimpses: tf.Tensor, bank: tf.Tensor, noise: tf.Tensor) -> Match:
        """Computes the posterior of each glimpse.

        Args:
            glimpses: Glimpses, float32 `[batch, size, size, channels]`.
            bank: Rotated templates as returned by `bank`.
            noise: Standard deviation sigma of the pixels, scalar; with large values all categories and angles match
                alike.
        """
        pixels = tf.reshape(glimpses, [tf.shape(glimpses)[0], -1])
        blank_error = tf.reduce_sum(pixels**2, axis=1, keepdims=True)
        squared_error = blank_error - 2.0 * tf.matmul(pixels, bank, transpose_b=True) + tf.reduce_sum(bank**2, axis=1)
        shape = [-1, self._num_categories, self.num_rotations]
        logits = tf.reshape(-squared_error / (2.0 * noise**2), shape)
        joint = tf.reduce_logsumexp(logits, axis=2) - math.log(self.num_rotations) + tf.nn.log_softmax(self._log_prior)
        # The blank component has the same prior probability as each category.
        blank = -blank_error[:, 0] / (2.0 * noise**2) - math.log(self._num_categories)
        return Match(
            loss=-2.0 * noise**2 * tf.reduce_logsumexp(joint, axis=1),
            category_losses=-2.0 * noise**2 * joint,
            categories=tf.nn.softmax(joint),
            rotations=tf.nn.softmax(logits),
            object_probability=tf.sigmoid(tf.reduce_logsumexp(joint, axis=1) - blank),
        )

    def balance(self, use: tf.Tensor, rate: float, limit: float = 2.0) -> None:
        """Moves the log-prior towards equal use of all categories, as the uniform prior of z_cat demands.

        Otherwise one template may win all objects before the others have learned anything.

        Args:
            use: Each category's share of the objects in a step, float32 `[categories]`.
            rate: Change of the log-prior per unit by which a share exceeds the mean share.
            limit: Largest absolute value of the log-prior.
        """
        excess = use - tf.reduce_mean(use)
        self._log_prior.assign(tf.clip_by_value(self._log_prior - rate * excess, -limit, limit))
