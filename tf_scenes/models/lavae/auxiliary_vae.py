"""The auxiliary VAE whose KL map hints at where objects are: LAVAE, Appendix B, "Training warm-up"."""

import math
from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp
from typing_extensions import override

from tf_scenes.layers import gaussian
from tf_scenes.layers.addons import gaussian_filter2d
from tf_scenes.layers.residual import ConvUnit, ResidualBlock, pad_to_multiple
from tf_scenes.stack import keras

layers = keras.layers
tfd = tfp.distributions

_DOWNSAMPLING = 4
# In nats; normalised peaks of the KL map are near 1 if well above this, while those of an empty image stay near 0.
_PEAK_FLOOR = 1.0


class AuxiliaryVAE(layers.Layer):
    """Fully convolutional VAE, whose KL at each location roughly indicates where objects are (Nash et al. 2017)."""

    def __init__(self, image_channels: int, channels: int, latent_dim: int, name: Optional[str] = None):
        """Creates the VAE.

        Args:
            image_channels: Number of channels of the images.
            channels: Number of channels of the inner layers.
            latent_dim: Number of channels of the latent map, which has a quarter of the image's height and width.
            name: Name of the layer.
        """
        # The likelihood needs images in full precision, so they are not cast here; inner layers follow the global
        # precision policy.
        super().__init__(name=name, dtype="float32")
        self._latent_dim = latent_dim
        # Batches are normalised on each device separately (`local`), since devices cannot synchronise within `tf.cond`.
        self._encoder = keras.Sequential(
            [
                ConvUnit(channels, 4, strides=2, local=True),
                ResidualBlock(channels, local=True),
                ConvUnit(channels, 4, strides=2, local=True),
                ResidualBlock(channels, local=True),
                ResidualBlock(channels, local=True),
                # Small initial weights: with Glorot initialisation the KL would start at 100,000 nats.
                layers.Conv2D(
                    2 * latent_dim,
                    3,
                    padding="same",
                    kernel_initializer=keras.initializers.VarianceScaling(0.01),
                    dtype="float32",
                ),
            ],
            name="encoder",
        )
        self._decoder = keras.Sequential(
            [
                ConvUnit(channels, local=True),
                ResidualBlock(channels, local=True),
                ResidualBlock(channels, local=True),
                ConvUnit(4 * channels, 1, local=True),
                layers.Lambda(lambda features: tf.nn.depth_to_space(features, 2)),
                ResidualBlock(channels, local=True),
                layers.Conv2D(4 * image_channels, 3, padding="same", dtype="float32"),
            ],
            name="decoder",
        )

    @override
    def build(self, input_shape: tf.TensorShape) -> None:
        """Builds the networks for images of any size; by itself Keras would rebuild them for each new size."""
        self._encoder.build((None, None, None, input_shape[-1]))
        self._decoder.build((None, None, None, self._latent_dim))
        super().build(input_shape)

    def call(self, images: tf.Tensor, seed: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Encodes, samples and decodes.

        Args:
            images: Images, float32 `[batch, height, width, channels]` in [0, 1].
            seed: Random seed, int32 `[2]`.
            training: Whether batch statistics are used and updated.

        Returns:
            The negative ELBO, `[batch]`, in nats per image; the KL at each location, `[batch, h', w']`, in nats, at a
            quarter of the image's size (rounded up).
        """
        shape = tf.shape(images)
        parameters = self._encoder(pad_to_multiple(images, _DOWNSAMPLING), training=training)
        posterior = gaussian.from_log_variance(parameters)
        kl_map = tf.reduce_sum(tfd.kl_divergence(posterior, tfd.Normal(0.0, 1.0)), axis=-1)  # [batch, h', w']
        features = self._decoder(posterior.sample(seed=seed), training=training)
        logits = tf.nn.depth_to_space(features, 2)[:, : shape[1], : shape[2]]
        log_likelihood = -tf.nn.sigmoid_cross_entropy_with_logits(images, logits)
        elbo = tf.reduce_sum(log_likelihood, axis=[1, 2, 3]) - tf.reduce_sum(kl_map, axis=[1, 2])
        return -elbo, kl_map


def location_target(kl_map: tf.Tensor, height: tf.Tensor, width: tf.Tensor, sigma: float) -> tf.Tensor:
    """The target of the location features during warm-up, from the auxiliary VAE's KL map.

    The map is resized to the image's size, blurred, so that the parts of an object form one peak, and divided by its
    highest value, so that peaks are near 1 whatever the KL's magnitude.

    Args:
        kl_map: KL at each location, float32 `[batch, h', w']`, in nats.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        sigma: Standard deviation of the Gaussian blur in pixels, about a quarter of a sprite's side; 0 for none.

    Returns:
        The target, float32 `[batch, height, width]` in [0, 1].
    """
    target = tf.image.resize(kl_map[..., None], _DOWNSAMPLING * tf.shape(kl_map)[1:])[:, :height, :width]
    if sigma:
        target = gaussian_filter2d(target, 2 * math.ceil(3.0 * sigma) + 1, sigma, padding="CONSTANT")
    target = target[..., 0]
    return target / (tf.reduce_max(target, axis=[1, 2], keepdims=True) + _PEAK_FLOOR)
