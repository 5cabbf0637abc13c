"""Encoder and decoder of the VAE baseline, fully convolutional: LAVAE, Appendix B, "Baseline implementation".

The paper gives the arrangement; its widths and the size of the latent tensor are missing from the text that this
follows. Here the resolution is halved three times: by the first layer, and between the first and second and the second
and third block.
"""

from typing import Optional

import tensorflow as tf

from tf_scenes.layers.residual import ConvUnit, ResidualBlock, pad_to_multiple

layers = tf.keras.layers

DOWNSAMPLING = 8


class SpatialEncoder(layers.Layer):
    """Images to the parameters of a spatial tensor of Gaussian latents."""

    def __init__(self, channels: int, latent_channels: int, name: Optional[str] = None):
        """Creates the encoder.

        Args:
            channels: of all layers inside.
            latent_channels: latents at each place of the latent tensor.
            name: of the layer.
        """
        # Inputs are not cast to half precision here: the likelihood needs them as they are. Inner layers do as they do.
        super().__init__(name=name, dtype="float32")
        # Small weights: Glorot's make a KL of many thousand nats at first.
        small = tf.keras.initializers.VarianceScaling(0.01)
        self._network = tf.keras.Sequential(
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

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Encodes.

        Args:
            images: float32 `[batch, height, width, channels]`.
            training: whether batch statistics are used and updated.

        Returns:
            Means and then log-variances, float32 `[batch, height / 8, width / 8, 2 * latent_channels]`, rounded up.
        """
        return self._network(pad_to_multiple(images, DOWNSAMPLING), training=training)


class SpatialDecoder(layers.Layer):
    """Latents to the logits of Bernoulli pixels; loosely mirrors the encoder.

    A transposed convolution without strides is a convolution, so that blocks are the encoder's; the last upsampling is
    bilinear, with an ordinary convolution after it.
    """

    def __init__(self, channels: int, image_channels: int, name: Optional[str] = None):
        """Creates the decoder.

        Args:
            channels: of all layers inside.
            image_channels: channels of the images.
            name: of the layer.
        """
        super().__init__(name=name, dtype="float32")
        self._network = tf.keras.Sequential(
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

    def call(self, latents: tf.Tensor, training: bool = False) -> tf.Tensor:
        """float32 `[batch, h, w, latent_channels]` -> float32 `[batch, 8 h, 8 w, image_channels]`."""
        return self._network(latents, training=training)
