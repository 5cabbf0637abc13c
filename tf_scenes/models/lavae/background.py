"""The background of an image: what is behind the objects, the same everywhere or smooth. Not in the paper."""

from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp

from tf_scenes.layers import gaussian
from tf_scenes.stack import keras

layers = keras.layers
tfd = tfp.distributions

# The network sees the image at a quarter of its resolution.
_POOLING = 4
_LOG_VARIANCE_RANGE = (-10.0, 4.0)
# Small at first, so that the background does not learn to explain objects before there are any sprites.
_INITIAL_SCALE = 0.01
_INITIAL_LOG_VARIANCE = -4.0


class Background(layers.Layer):
    """p(b) and q(b | x): a standard normal latent for each cell of a coarse grid, interpolated between their middles.

    The paper's scenes are black where there is no object. In a real picture there is haze, uneven light, the bodies of
    cells around their nuclei: without a background they would be explained by sprites, and counted.
    """

    def __init__(
        self,
        image_channels: int,
        channels: int,
        spacing: Optional[int],
        stddev: float,
        name: str = "background",
    ):
        """Creates the background.

        Args:
            image_channels: Number of channels of the images.
            channels: Number of channels of the network's inner layers.
            spacing: Side of a cell in pixels, 8, 16, 32 or 64; None for one cell that is the whole image.
            stddev: Standard deviation of the background under the prior, in units of pixel values.
            name: Name of the layer.
        """
        super().__init__(name=name)
        self._spacing, self._stddev = spacing, stddev
        halvings = ((spacing or 32) // _POOLING).bit_length() - 1
        self._units = [
            layers.Conv2D(channels, 3, strides=strides, padding="same", activation="relu", name=f"unit_{i}")
            for i, strides in enumerate([2] * halvings + [1])
        ]
        biases = [0.0] * image_channels + [_INITIAL_LOG_VARIANCE] * image_channels
        self._head = layers.Conv2D(
            2 * image_channels,
            1,
            kernel_initializer=keras.initializers.VarianceScaling(_INITIAL_SCALE, "fan_avg", "uniform"),
            bias_initializer=keras.initializers.Constant(biases),
            dtype="float32",
            name="head",
        )

    def call(self, images: tf.Tensor) -> tfd.Normal:
        """q(b | x): `[batch, height, width, channels]` -> distribution with batch shape `[batch, h, w, channels]`."""
        features = tf.nn.avg_pool2d(images, _POOLING, _POOLING, "SAME")
        for unit in self._units:
            features = unit(features)
        if self._spacing is None:
            features = tf.reduce_mean(features, axis=[1, 2], keepdims=True)
        return gaussian.from_log_variance(self._head(features), _LOG_VARIANCE_RANGE)

    def draw(self, latents: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """Draws backgrounds.

        Args:
            latents: Latents, float32 `[batch, h, w, channels]`. On a canvas for which the grid would have another size,
                they are first interpolated to that size.
            height: Height of the canvas in pixels, scalar int32.
            width: Width of the canvas in pixels, scalar int32.

        Returns:
            Canvases without objects, float32 `[batch, height, width, channels]`.
        """
        if self._spacing is None:
            latents = tf.reduce_mean(latents, axis=[1, 2], keepdims=True)
            return self._stddev * tf.tile(latents, [1, height, width, 1])
        cells = self.grid(height, width)
        smooth = tf.image.resize(tf.image.resize(latents, cells), self._spacing * cells, "bicubic")
        return self._stddev * smooth[:, :height, :width]

    def grid(self, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """Number of rows and columns of the grid on a canvas: int32 `[2]`."""
        if self._spacing is None:
            return tf.ones([2], tf.int32)
        return -(-tf.stack([height, width]) // self._spacing)
