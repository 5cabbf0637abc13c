"""Decoder of objects: the template of a category, modified by attributes (Discrete-AIR, section 3.2)."""

import math
from typing import Optional

import tensorflow as tf

from tf_scenes.models.air.decoder import blob
from tf_scenes.stack import keras

layers = keras.layers

# Side of the kernel of the convolutional combination, pixels.
_FILTER_SIZE = 5


class TemplateDecoder(layers.Layer):
    """f_dec(z_cat, z_attr): from category and attributes to an image in (0, 1), by one of three combinations.

    - additive: f(f_t(z_cat) + f_a(z_attr))
    - multiplicative: f(f_t(z_cat) * f_a(z_attr)), elementwise
    - convolutional: f(f_t(z_cat) convolved with f_a(z_attr)), where f_t gives an image and f_a a kernel

    The paper does not specify f, f_t and f_a. In the first two combinations, templates are feature vectors and f is a
    network from features to pixels, so that an attribute may have a different effect for each category. In the third, f
    is a sigmoid. Without attributes all three are f(f_t(z_cat)).
    """

    def __init__(
        self,
        num_categories: int,
        num_attributes: int,
        glimpse_size: int,
        channels: int,
        combination: str = "additive",
        by_category: bool = False,
        units: int = 256,
        name: Optional[str] = None,
    ):
        """Creates the decoder.

        Args:
            num_categories: Number of categories, K.
            num_attributes: Number of dimensions of z_attr; 0 for no attributes.
            glimpse_size: Side of the image in pixels.
            channels: Number of channels of the image.
            combination: Combination of template and attributes, one of `options.COMBINATIONS`.
            by_category: Whether each category has an f_a of its own, f_a(z_attr, z_cat).
            units: Number of features of a template and of the layer after it.
            name: Name of the layer.
        """
        super().__init__(name=name)
        self.num_categories = num_categories
        self.num_attributes = num_attributes
        self._combination, self._by_category = combination, by_category
        self._image_shape = (glimpse_size, glimpse_size, channels)
        in_pixels = combination == "convolutional"
        initializer = keras.initializers.RandomNormal(stddev=1.0)
        self._templates = layers.Dense(units, use_bias=False, kernel_initializer=initializer, name="templates")
        self._hidden = layers.Dense(units, name="hidden")
        self._pixels = layers.Dense(
            math.prod(self._image_shape), bias_initializer=blob(*self._image_shape), dtype="float32", name="pixels"
        )
        if num_attributes:
            outputs = _FILTER_SIZE**2 if in_pixels else units
            self._attributes = keras.Sequential(
                [layers.Dense(64, activation="tanh"), layers.Dense(outputs)], name="attributes"
            )

    def call(self, categories: tf.Tensor, attributes: tf.Tensor) -> tf.Tensor:
        """Draws objects.

        Args:
            categories: Categories, one-hot or relaxed, float32 `[batch, categories]`.
            attributes: Attributes, float32 `[batch, num_attributes]`.

        Returns:
            Pictures of the objects, float32 `[batch, size, size, channels]`.
        """
        attributes = tf.cast(attributes, self.compute_dtype)  # Keras casts the first argument only.
        template = self._templates(categories)
        if self.num_attributes:
            modification = self._attributes(self._of_category(attributes, categories))
            if self._combination == "additive":
                template = template + modification
            elif self._combination == "multiplicative":
                template = template * (1.0 + modification)  # The initial factor is near 1.
        # With so few different inputs all units of a ReLU could die, which would reduce templates to the last bias.
        hidden = tf.nn.leaky_relu(self._hidden(tf.nn.leaky_relu(template)))
        logits = tf.reshape(self._pixels(hidden), (-1, *self._image_shape))
        if self.num_attributes and self._combination == "convolutional":
            logits = self._filtered(logits, tf.cast(modification, tf.float32))
        return tf.sigmoid(logits)

    def _of_category(self, attributes: tf.Tensor, categories: tf.Tensor) -> tf.Tensor:
        """The inputs of f_a: attributes, each in a place of its category's own if there is an f_a for each."""
        if not self._by_category:
            return attributes
        placed = categories[:, :, None] * attributes[:, None, :]  # [batch, categories, num_attributes]
        flat = tf.reshape(placed, [-1, self.num_categories * self.num_attributes])
        return tf.concat([categories, flat], axis=-1)

    def _filtered(self, logits: tf.Tensor, modification: tf.Tensor) -> tf.Tensor:
        """Convolves each image with its own kernel, which is initially near the identity."""
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
        """The object of each category with all attributes 0: float32 `[categories, size, size, channels]`."""
        return self(tf.eye(self.num_categories), tf.zeros([self.num_categories, self.num_attributes]))
