"""What an object looks like: a template by category, modified by attributes (Discrete-AIR, section 3.2)."""

import math
from typing import Optional

import tensorflow as tf

from tf_scenes.models.air.decoder import blob

layers = tf.keras.layers

COMBINATIONS = ("additive", "multiplicative", "convolutional")

_FILTER_SIZE = 5


class TemplateDecoder(layers.Layer):
    """f_dec(z_cat, z_attr): category and attributes to an image in (0, 1).

    - additive: f(f_t(z_cat) + f_a(z_attr))
    - multiplicative: f(f_t(z_cat) * f_a(z_attr)), elementwise
    - convolutional: f(f_t(z_cat) convolved with f_a(z_attr)), where the template is an image and f_a gives one kernel

    The paper leaves f, f_t and f_a open. For the first two, templates are vectors of features and f is a network from
    features to pixels, so that one attribute may mean something else for each category; for the third, f is a sigmoid.
    Without attributes all three are f(f_t(z_cat)).
    """

    def __init__(
        self,
        num_categories: int,
        num_attributes: int,
        glimpse_size: int,
        channels: int,
        combination: str = "additive",
        units: int = 256,
        name: Optional[str] = None,
    ):
        """Creates the decoder.

        Args:
            num_categories: K.
            num_attributes: dimensions of z_attr, 0 for none.
            glimpse_size: side of the image, pixels.
            channels: of the image.
            combination: one of `COMBINATIONS`.
            units: features of a template, and of the layer after it.
            name: of the layer.
        """
        super().__init__(name=name)
        self.num_categories = num_categories
        self.num_attributes = num_attributes
        self._combination = combination
        self._image_shape = (glimpse_size, glimpse_size, channels)
        in_pixels = combination == "convolutional"
        initializer = tf.keras.initializers.RandomNormal(stddev=1.0)
        self._templates = layers.Dense(units, use_bias=False, kernel_initializer=initializer, name="templates")
        self._hidden = layers.Dense(units, name="hidden")
        self._pixels = layers.Dense(
            math.prod(self._image_shape), bias_initializer=blob(*self._image_shape), dtype="float32", name="pixels"
        )
        if num_attributes:
            outputs = _FILTER_SIZE**2 if in_pixels else units
            self._attributes = tf.keras.Sequential(
                [layers.Dense(64, activation="tanh"), layers.Dense(outputs)], name="attributes"
            )

    def call(self, categories: tf.Tensor, attributes: tf.Tensor) -> tf.Tensor:
        """Draws objects.

        Args:
            categories: float32 `[batch, categories]`, one-hot or relaxed.
            attributes: float32 `[batch, num_attributes]`.

        Returns:
            float32 `[batch, size, size, channels]`.
        """
        template = self._templates(categories)
        if self.num_attributes:
            modification = self._attributes(attributes)
            if self._combination == "additive":
                template = template + modification
            elif self._combination == "multiplicative":
                template = template * (1.0 + modification)  # Begins near 1: the template itself.
        # Without a leak all units of so few inputs can die, and all templates become the last layer's bias.
        hidden = tf.nn.leaky_relu(self._hidden(tf.nn.leaky_relu(template)))
        logits = tf.reshape(self._pixels(hidden), (-1, *self._image_shape))
        if self.num_attributes and self._combination == "convolutional":
            logits = self._filtered(logits, tf.cast(modification, tf.float32))
        return tf.sigmoid(logits)

    def _filtered(self, logits: tf.Tensor, modification: tf.Tensor) -> tf.Tensor:
        """Each image convolved with its own kernel, which begins near the one that changes nothing."""
        identity = tf.one_hot(_FILTER_SIZE**2 // 2, _FILTER_SIZE**2)
        patches = tf.image.extract_patches(
            tf.reshape(tf.transpose(logits, [0, 3, 1, 2]), [-1, *self._image_shape[:2], 1]),
            [1, _FILTER_SIZE, _FILTER_SIZE, 1],
            [1, 1, 1, 1],
            [1, 1, 1, 1],
            "SAME",
        )  # [batch * channels, size, size, filter]
        kernels = tf.repeat(identity + modification, self._image_shape[2], axis=0)
        filtered = tf.einsum("nyxf,nf->nyx", patches, kernels)
        size, _, channels = self._image_shape
        return tf.transpose(tf.reshape(filtered, [-1, channels, size, size]), [0, 2, 3, 1])

    def templates(self) -> tf.Tensor:
        """Every category's object with all attributes 0: float32 `[categories, size, size, channels]`."""
        return self(tf.eye(self.num_categories), tf.zeros([self.num_categories, self.num_attributes]))
