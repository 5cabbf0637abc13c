"""Encoder and decoder of the VAE baseline, fully convolutional: LAVAE, Appendix B, "Baseline implementation".

The paper specifies the layers, but the text available to this project lacks their widths and the size of the latent
tensor. Here the resolution is halved three times: by the first layer, and after each of the first two blocks.
"""

from typing import Optional

import tensorflow as tf
from typing_extensions import override

from tf_scenes.layers.residual import ConvUnit, ResidualBlock, pad_to_multiple
from tf_scenes.stack import keras

layers = keras.layers

DOWNSAMPLING = 8


class SpatialEncoder(layers.Layer):
    """From images to the parameters of a spatial tensor of Gaussian latents."""

    def __init__(self, channels: int, latent_channels: int, name: Optional[str] = None):
        """Creates the encoder.

        Args:
            channels: Number of channels of the inner layers.
            latent_channels: Number of channels of the latent tensor.
            name: Name of the layer.
        """
        # Inputs are cast to half precision not here but by the inner layers, which follow the global precision policy.
        super().__init__(name=name, dtype="float32")
        # Small initial weights: with Glorot initialisation the KL would start at many thousands of nats.
        small = keras.initializers.VarianceScaling(0.01)
        self._network = keras.Sequential(
            [
                ConvUnit(channels, 4, strides=2),
                ResidualBlock(channels),
                layers.Conv2D(channels, 4, 2, padding="same"),
                ResidualBlock(channels),
                layers.Conv2D(channels, 4, 2, padding="same"),
                ResidualBlock(channels),
                ResidualBlock(channels),
                layers.Conv2D(2 * latent_channels, 3, padding="same", kernel_initializer=small, dtype="float32"),
            ],
            name="network",
        )

    @override
    def build(self, input_shape: tf.TensorShape) -> None:
        """Builds the network for any height and width; by itself Keras would rebuild it for each new size."""
        self._network.build((None, None, None, input_shape[-1]))
        super().build(input_shape)

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Encodes images.

        Args:
            images: Images, float32 `[batch, height, width, channels]`.
            training: Whether batch statistics are used and updated.

        Returns:
            Means, then log-variances of the latents, float32 `[batch, height / 8, width / 8, 2 * latent_channels]`,
            with sizes rounded up.
        """
        return self._network(pad_to_multiple(images, DOWNSAMPLING), training=training)


class SpatialDecoder(layers.Layer):
    """From latents to the logits of Bernoulli pixels; loosely mirrors the encoder.

    Residual blocks are like the encoder's, since a transposed convolution without strides is a convolution. The last
    upsampling is bilinear, followed by an ordinary convolution.
    """

    def __init__(self, channels: int, image_channels: int, name: Optional[str] = None):
        """Creates the decoder.

        Args:
            channels: Number of channels of the inner layers.
            image_channels: Number of channels of the images.
            name: Name of the layer.
        """
        super().__init__(name=name, dtype="float32")
        self._network = keras.Sequential(
            [
                ConvUnit(channels),
                ResidualBlock(channels),
                ResidualBlock(channels),
                layers.Conv2DTranspose(channels, 4, 2, padding="same"),
                ResidualBlock(channels),
                layers.Conv2DTranspose(channels, 4, 2, padding="same"),
                ResidualBlock(channels),
                layers.UpSampling2D(2, interpolation="bilinear"),
                layers.Conv2D(image_channels, 3, padding="same", dtype="float32"),
            ],
            name="network",
        )

    @override
    def build(self, input_shape: tf.TensorShape) -> None:
        """Builds the network for any height and width; by itself Keras would rebuild it for each new size."""
        self._network.build((None, None, None, input_shape[-1]))
        super().build(input_shape)

    def call(self, latents: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Decodes latents: float32 `[batch, h, w, latent_channels]` -> float32 `[batch, 8 h, 8 w, image_channels]`."""
        return self._network(latents, training=training)
