"""Residual convolutional networks: LAVAE, Appendix B."""

from typing import Optional

import tensorflow as tf

from tf_scenes.layers.normalization import batch_normalization
from tf_scenes.stack import keras

layers = keras.layers

_LEAKY_SLOPE = 0.1


class ConvUnit(layers.Layer):
    """Convolution, leaky ReLU and batch normalisation, in the paper's order."""

    def __init__(
        self,
        channels: int,
        kernel_size: int = 3,
        strides: int = 1,
        normalize: bool = True,
        local: bool = False,
        name: Optional[str] = None,
    ):
        """Creates the unit.

        Args:
            channels: Number of output channels.
            kernel_size: Side of the square kernel in pixels.
            strides: Strides of the convolution in pixels.
            normalize: Whether batch normalisation follows.
            local: Whether its statistics cover each device's own images only, see `batch_normalization`.
            name: Name of the layer.
        """
        super().__init__(name=name)
        self._convolution = layers.Conv2D(channels, kernel_size, strides, padding="same")
        self._normalization = batch_normalization(local) if normalize else None

    @tf.autograph.experimental.do_not_convert  # `Sequential` would convert it, which takes long and changes nothing.
    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Applies the unit: `[batch, height, width, any]` -> `[batch, height / strides, width / strides, channels]`."""
        outputs = tf.nn.leaky_relu(self._convolution(inputs), _LEAKY_SLOPE)
        if self._normalization is not None:
            outputs = self._normalization(outputs, training=training)
        return outputs


class ResidualBlock(layers.Layer):
    """Two convolutional units around a shortcut."""

    def __init__(
        self,
        channels: int,
        kernel_size: int = 3,
        normalize: bool = True,
        local: bool = False,
        name: Optional[str] = None,
    ):
        """Creates the block.

        Args:
            channels: Number of channels of the input and the output.
            kernel_size: Side of the square kernels in pixels.
            normalize: Whether batch normalisation follows each convolution.
            local: Whether its statistics cover each device's own images only, see `batch_normalization`.
            name: Name of the layer.
        """
        super().__init__(name=name)
        options = {"normalize": normalize, "local": local}
        self._units = [ConvUnit(channels, kernel_size, **options, name=f"unit_{i}") for i in range(2)]

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Applies the block: `[batch, height, width, channels]` -> the same shape."""
        outputs = inputs
        for unit in self._units:
            outputs = unit(outputs, training=training)
        return inputs + outputs


class ResidualTrunk(layers.Layer):
    """Fully convolutional residual network from an image to features at its resolution or a fraction of it."""

    def __init__(
        self,
        channels: int,
        num_blocks: int = 4,
        num_last_units: int = 0,
        strides: int = 1,
        kernel_size: int = 3,
        name: Optional[str] = None,
    ):
        """Creates the network.

        Args:
            channels: Number of channels of the features and of all hidden layers.
            num_blocks: Number of residual blocks, of two convolutions each.
            num_last_units: Number of further convolutional units after the blocks.
            strides: Factor by which the first convolution reduces the resolution; 1 in the paper.
            kernel_size: Side of the square kernels in pixels.
            name: Name of the layer.
        """
        super().__init__(name=name)
        self.strides = strides
        self._stem = ConvUnit(channels, kernel_size if strides == 1 else 2 * strides, strides, name="stem")
        self._blocks = [ResidualBlock(channels, kernel_size, name=f"block_{i}") for i in range(num_blocks)]
        self._last_units = [ConvUnit(channels, kernel_size, name=f"last_{i}") for i in range(num_last_units)]

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Features of images.

        Args:
            images: Images, `[batch, height, width, any]`.
            training: Whether batch normalisation uses the statistics of the batch.

        Returns:
            Features, `[batch, height / strides, width / strides, channels]`, sides rounded up.
        """
        return self._after_stem(self._stem(pad_to_multiple(images, self.strides), training=training), training)

    def _after_stem(self, features: tf.Tensor, training: bool) -> tf.Tensor:
        for layer in (*self._blocks, *self._last_units):
            features = layer(features, training=training)
        return features


class TwoScaleTrunk(ResidualTrunk):
    """A residual network at a fraction of the resolution, then interpolated and refined at the image's own.

    Where a feature stands is decided at full resolution, by layers that treat all pixels alike: a subpixel convolution,
    which `ResidualTrunk` would need instead, has weights of its own for each pixel of a cell, and can prefer one. What
    is averaged before its resolution is reduced changes little when the image moves by less than a cell.
    """

    def __init__(self, channels: int, num_blocks: int, num_last_units: int, strides: int, name: Optional[str] = None):
        """Creates the network.

        Args:
            channels: Number of channels of the hidden layers; the features have half as many.
            num_blocks: Number of residual blocks, of two convolutions each.
            num_last_units: Number of further convolutional units after the blocks.
            strides: Factor by which the blocks' resolution is reduced.
            name: Name of the layer.
        """
        super().__init__(channels, num_blocks, num_last_units, name=name)
        self._cell = strides
        features = -(-channels // 2)
        # With a bias, TensorFlow's graph optimiser fuses convolution, sum and leaky ReLU, and loses the ReLU's slope.
        self._from_fine = layers.Conv2D(features, 1, use_bias=False, name="from_fine")
        self._from_coarse = layers.Conv2D(features, 1, name="from_coarse")
        self._refinement = ConvUnit(features, name="refinement")

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Features of images: `[batch, height, width, any]` -> `[batch, height, width, channels / 2]`, rounded up."""
        shape = tf.shape(images)
        fine = self._stem(pad_to_multiple(images, self._cell), training=training)
        coarse = self._after_stem(tf.nn.avg_pool2d(fine, 2 * self._cell, self._cell, "SAME"), training)
        interpolated = tf.image.resize(self._from_coarse(coarse), tf.shape(fine)[1:3])
        joined = self._from_fine(fine) + tf.cast(interpolated, fine.dtype)
        features = self._refinement(tf.nn.leaky_relu(joined, _LEAKY_SLOPE), training=training)
        return features[:, : shape[1], : shape[2]]


def pad_to_multiple(images: tf.Tensor, multiple: int) -> tf.Tensor:
    """Pads images `[batch, height, width, channels]` with 0 below and right to multiples of `multiple`, in pixels."""
    if multiple == 1:
        return images
    shape = tf.shape(images)
    return tf.pad(images, [[0, 0], [0, -shape[1] % multiple], [0, -shape[2] % multiple], [0, 0]])
