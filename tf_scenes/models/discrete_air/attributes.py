"""Normalisation of attributes by category."""

from typing import Optional

import tensorflow as tf

from tf_scenes.stack import keras

layers = keras.layers

# Rate at which statistics follow those of a batch.
_RATE = 0.02
_SMALL = 1e-3


class CategoryNormalization(layers.Layer):
    """Shifts and scales the means of attributes' posteriors to mean 0 and variance 1 over the objects of a category.

    An addition to the paper. Without it, each category takes an interval of its own of the attributes' prior, so that
    an attribute says what the category is for, and other values draw other digits. The prior's values all belong to
    every category if its objects' attributes are spread over the whole prior. Normalised means also keep attributes
    from collapsing to their prior, whose KL they cannot make 0 (as with batch normalisation: Zhu et al., 2020).
    """

    def __init__(self, num_categories: int, num_attributes: int, name: Optional[str] = None):
        """Creates the layer.

        Args:
            num_categories: Number of categories, K.
            num_attributes: Number of dimensions of an object's attributes.
            name: Name of the layer.
        """
        super().__init__(name=name, autocast=False)
        # Of 1, of means and of their squares, over the objects of a category: a ratio of sums takes the more batches
        # into account the more rarely a category is used.
        self._sums = self.add_weight(
            name="sums",
            shape=[num_categories, 1 + 2 * num_attributes],
            initializer="zeros",
            trainable=False,
            dtype=tf.float32,
            aggregation=tf.VariableAggregation.MEAN,
            experimental_autocast=False,
        )

    def call(self, means: tf.Tensor, categories: tf.Tensor) -> tf.Tensor:
        """Normalises means; statistics are constants to the gradient.

        Args:
            means: Means of attributes, float32 `[objects, num_attributes]`.
            categories: Categories, one-hot or relaxed, float32 `[objects, categories]`.

        Returns:
            Normalised means, float32 `[objects, num_attributes]`.
        """
        categories = tf.stop_gradient(categories)
        attributes = means.shape[-1]
        count, first, second = tf.split(self._sums, [1, attributes, attributes], axis=1)
        # The small numbers make mean and variance 0 and 1 where no object was seen.
        mean, square = first / (count + _SMALL), (second + _SMALL) / (count + _SMALL)
        variance = tf.maximum(square - tf.square(mean), _SMALL)
        return (means - tf.matmul(categories, mean)) / tf.sqrt(tf.matmul(categories, variance))

    def update(self, means: tf.Tensor, categories: tf.Tensor, weights: tf.Tensor) -> None:
        """Moves statistics towards those of a training batch.

        Args:
            means: Means of attributes before normalisation, float32 `[objects, num_attributes]`.
            categories: Categories, one-hot or relaxed, float32 `[objects, categories]`.
            weights: How much each object counts, float32 `[objects]`.
        """
        # The mean over devices of these sums is then that of the whole batch.
        shares = tf.distribute.get_strategy().num_replicas_in_sync * weights[:, None] * categories
        values = tf.concat([tf.ones_like(means[:, :1]), means, tf.square(means)], axis=-1)
        self._sums.assign_add(_RATE * (tf.matmul(shares, values, transpose_a=True) - self._sums))
