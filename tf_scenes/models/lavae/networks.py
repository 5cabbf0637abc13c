"""LAVAE's inference networks: location features L and appearance features A (section 2, Appendix B)."""

from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp

from tf_scenes.layers import gaussian
from tf_scenes.layers.residual import ResidualTrunk

layers = tf.keras.layers
tfd = tfp.distributions
tfpl = tfp.layers

_LOG_VARIANCE_RANGE = (-10.0, 4.0)


class LocationNetwork(layers.Layer):
    """Image to location features L, one value a pixel.

    A residual trunk and a convolutional network of three layers with one output channel (Appendix B).

    Departure from the paper, off by default: with `strides` 2 the trunk works on half the resolution, at a quarter of
    the cost, and a subpixel convolution (four output channels, then depth to space) gives each pixel its value.
    """

    def __init__(self, channels: int, num_blocks: int = 4, strides: int = 1, name: Optional[str] = None):
        """Creates the network.

        Args:
            channels: channels inside.
            num_blocks: residual blocks of two convolutions each.
            strides: 1, or by how much the resolution is reduced inside.
            name: of the layer.
        """
        super().__init__(name=name)
        self._trunk = ResidualTrunk(channels, num_blocks, num_last_units=2, strides=strides, name="trunk")
        # Small weights, so that the map starts flat.
        initializer = tf.keras.initializers.VarianceScaling(0.1, "fan_avg", "uniform")
        self._head = layers.Conv2D(
            strides**2, 3, padding="same", kernel_initializer=initializer, dtype="float32", name="head"
        )

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[batch, height, width, channels]` -> float32 `[batch, height, width]`."""
        shape = tf.shape(images)
        maps = self._head(self._trunk(images, training=training))
        if self._trunk.strides > 1:
            maps = tf.nn.depth_to_space(maps, self._trunk.strides)[:, : shape[1], : shape[2]]
        return maps[..., 0]


class AppearanceNetwork(layers.Layer):
    """Image to appearance features, and from them the posterior of an object's appearance at its location.

    The paper's map A has 2 D channels at every pixel, of which only sums weighted by location maps are used (equation
    10). Its last layer is linear, so these sums are taken over the layer's inputs, and the layer is applied to them:
    the same values, without the map. The last layer is a 1 x 1 convolution to that end.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        num_blocks: int = 4,
        strides: int = 1,
        scale: float = 0.1,
        name: Optional[str] = None,
    ):
        """Creates the network.

        Args:
            latent_dim: D, dimensions of an object's appearance.
            channels: channels inside.
            num_blocks: residual blocks of two convolutions each.
            strides: 1, or by how much the resolution is reduced inside; each pixel still has a 1 x 1 convolution of its
                own within its cell (a subpixel convolution).
            scale: the last layer's initial weights as a multiple of Glorot's; at 1 the KL starts in the thousands.
            name: of the layer.
        """
        super().__init__(name=name)
        self._trunk = ResidualTrunk(channels, num_blocks, strides=strides, name="trunk")
        self._channels = channels
        self._head = layers.Dense(
            2 * latent_dim,
            kernel_initializer=tf.keras.initializers.VarianceScaling(scale**2, "fan_avg", "uniform"),
            dtype="float32",
            name="head",
        )
        self._posterior = tfpl.DistributionLambda(
            _diagonal_normal, convert_to_tensor_fn=tfd.Distribution.mean, dtype="float32", name="posterior"
        )

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[batch, height, width, channels]` -> float32 `[batch, height / strides, width / strides, channels]`."""
        return tf.cast(self._trunk(images, training=training), tf.float32)

    def posterior(self, features: tf.Tensor, locations: tf.Tensor) -> tfd.Distribution:
        """q(z_i | l_i, x), equation 10.

        Args:
            features: what `call` gave.
            locations: float32 `[batch, objects, height, width]`, exact or relaxed one-hot maps.

        Returns:
            Distribution with batch shape `[batch, objects]` and event shape `[D]`.
        """
        cells = self._split_cells(locations, tf.shape(features))  # [batch, objects * strides^2, h * w]
        flat = tf.reshape(features, [tf.shape(features)[0], -1, self._channels])
        sums = tf.reshape(cells @ flat, [*tf.unstack(tf.shape(locations)[:2]), self._trunk.strides**2 * self._channels])
        return self._posterior(self._head(sums))

    def _split_cells(self, locations: tf.Tensor, feature_shape: tf.Tensor) -> tf.Tensor:
        """Each location map as strides^2 maps of the features' size, one for each place within a cell."""
        strides = self._trunk.strides
        batch, objects, height, width = tf.unstack(tf.shape(locations))
        rows, columns = feature_shape[1], feature_shape[2]
        padding = [[0, 0], [0, 0], [0, rows * strides - height], [0, columns * strides - width]]
        cells = tf.reshape(tf.pad(locations, padding), [batch, objects, rows, strides, columns, strides])
        cells = tf.transpose(cells, [0, 1, 3, 5, 2, 4])
        return tf.reshape(cells, [batch, objects * strides**2, rows * columns])


def _diagonal_normal(parameters: tf.Tensor) -> tfd.Distribution:
    return tfd.Independent(gaussian.from_log_variance(parameters, _LOG_VARIANCE_RANGE), reinterpreted_batch_ndims=1)
