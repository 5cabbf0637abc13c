"""The distribution of LAVAE's pixels given the canvas: equations 4 and 12, and one for grey pixels."""

import math
from collections.abc import Callable
from typing import Union

import tensorflow as tf
import tensorflow_probability as tfp

from tf_scenes.layers.neighborhoods import largest_around
from tf_scenes.models.lavae.options import LavaeOptions
from tf_scenes.stack import keras

tfd = tfp.distributions
layers = keras.layers

# Closer to 0 and 1 there is no gradient, which would be beyond 10,000.
_SLOPE_MARGIN = 1e-4
# A missed pixel has the gradient of a mean this far from 0 and 1. With 0.01, missed pixels outweigh all others early in
# training.
_GRADIENT_MARGIN = 1e-1
# A pixel is missed if nothing is drawn at this distance or nearer. At the edge of a sprite that does not quite fit, a
# gradient would pull at the sprite's location, and sprites would stay blurred.
_NEARBY = 3


class BernoulliPixels(layers.Layer):
    """Independent Bernoulli pixels, equations 4 and 12: a density of binary images only.

    The canvas is clipped to the open interval (0, 1), since overlapping sprites can add up to more than 1 and Fourier
    transforms leave rounding errors. A clipped pixel has no gradient, with one exception: a lit pixel with nothing
    drawn nearby draws sprites towards it, and a drawn pixel with nothing lit nearby drives its sprite away. The paper
    does not mention clipping.
    """

    def __init__(self, margin: float = 1e-4, missed_gradient: bool = True, name: str = "bernoulli_pixels"):
        """Creates the layer, which has no weights.

        Args:
            margin: How far pixel means are kept from 0 and 1, where log-likelihoods would be infinite.
            missed_gradient: Whether there is that exception.
            name: Name of the layer.
        """
        super().__init__(name=name, dtype="float32")
        self._margin = margin
        self._missed_gradient = missed_gradient

    def log_prob(self, images: tf.Tensor, canvas: tf.Tensor) -> tf.Tensor:
        """Log p(x | n, l, z) in nats of each image: `[..., height, width, channels]` -> `[...]`."""
        if self._missed_gradient:
            log_prob = _with_missed_gradient(images, canvas, self._margin)
        else:
            log_prob = _bernoulli(_clipped(canvas, self._margin)).log_prob(images)
        return tf.reduce_sum(log_prob, axis=[-3, -2, -1])

    def mean(self, canvas: tf.Tensor) -> tf.Tensor:
        """Pixel means: `[..., height, width, channels]` -> the same shape, in [0, 1]."""
        return tf.clip_by_value(canvas, 0.0, 1.0)

    def scalars(self) -> dict[str, tf.Tensor]:
        """Quantities to plot by name."""
        return {}


def _clipped(canvas: tf.Tensor, margin: float) -> tf.Tensor:
    return tf.clip_by_value(canvas, margin, 1.0 - margin)


def _bernoulli(means: tf.Tensor) -> tfd.Distribution:
    return tfd.Bernoulli(probs=means, dtype=tf.float32)


def _with_missed_gradient(images: tf.Tensor, canvas: tf.Tensor, margin: float) -> tf.Tensor:
    @tf.custom_gradient
    def log_prob(canvas: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        means = _clipped(canvas, margin)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            inside = tf.equal(_clipped(canvas, max(margin, _SLOPE_MARGIN)), canvas)
            at = tf.where(inside, canvas, _clipped(canvas, _GRADIENT_MARGIN))
            slope = (images - at) / (at * (1.0 - at))
            missed = (images - means > 0.5) & (_largest_nearby(canvas) < 0.5)
            extra = (means - images > 0.5) & (_largest_nearby(images) < 0.5)
            return tf.where(inside | missed | extra, upstream * slope, 0.0)

        return _bernoulli(means).log_prob(images), gradient

    return log_prob(canvas)


def _largest_nearby(values: tf.Tensor) -> tf.Tensor:
    """Largest value of any channel around each pixel: `[..., height, width, channels]` -> `[..., height, width, 1]`."""
    shape = tf.shape(values)
    maps = tf.reduce_max(tf.reshape(values, tf.concat([[-1], shape[-3:]], axis=0)), axis=-1, keepdims=True)
    largest = largest_around(maps, 2 * _NEARBY + 1)
    return tf.reshape(largest, tf.concat([shape[:-1], [1]], axis=0))


class GaussianPixels(layers.Layer):
    """Independent Gaussian pixels around the canvas: a density of grey and coloured images. Not in the paper.

    All pixels have the same standard deviation, the noise, which is learned: the prior's fit to the images decides how
    much of them is left unexplained. A lower limit keeps texture from being worth several sprites an object.
    """

    def __init__(self, noise: float, smallest_noise: float, name: str = "gaussian_pixels"):
        """Creates the layer.

        Args:
            noise: Initial standard deviation, in units of pixel values, above `smallest_noise`.
            smallest_noise: Lower limit of the standard deviation.
            name: Name of the layer.
        """
        super().__init__(name=name, dtype="float32")
        self._smallest_noise = smallest_noise
        self._log_excess = self.add_weight(
            name="log_excess",
            shape=[],
            initializer=keras.initializers.Constant(math.log(noise - smallest_noise)),
            experimental_autocast=False,
        )

    @property
    def noise(self) -> tf.Tensor:
        """Standard deviation of a pixel, float32 scalar."""
        return self._smallest_noise + tf.exp(self._log_excess)

    def log_prob(self, images: tf.Tensor, canvas: tf.Tensor) -> tf.Tensor:
        """Log p(x | n, l, z) in nats of each image: `[..., height, width, channels]` -> `[...]`."""
        return tf.reduce_sum(tfd.Normal(canvas, self.noise).log_prob(images), axis=[-3, -2, -1])

    def mean(self, canvas: tf.Tensor) -> tf.Tensor:
        """Pixel means: the canvas itself."""
        return canvas

    def scalars(self) -> dict[str, tf.Tensor]:
        """Quantities to plot by name."""
        return {"noise": self.noise}


def make_pixels(options: LavaeOptions) -> Union[BernoulliPixels, GaussianPixels]:
    """The distribution of pixels that the options name."""
    if options.likelihood == "gaussian":
        return GaussianPixels(options.noise, options.smallest_noise)
    return BernoulliPixels(options.pixel_margin, options.missed_gradient)
