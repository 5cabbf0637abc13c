"""Robust normalisation of pictures: brightness of the background, and contrast of what stands out of it."""

import tensorflow as tf
import tensorflow_probability as tfp

# The brightest or darkest of a thousand pixels tell the contrast: one hot pixel does not, a small object does.
_TAIL_PERCENT = 0.2
# Without objects the contrast would be that of noise, and noise would look like objects.
_NOISE_DEVIATIONS = 10.0
# Of a picture's brightness; less is taken for rounding.
_SMALLEST_CONTRAST = 2e-3
# Of pictures that are 0 everywhere.
_ABOVE_ZERO = 1e-20
# Side in pixels up to which all pixels of a picture are used.
_LARGEST_SIDE = 512
# The median and the mean absolute difference of two normal numbers, in standard deviations.
_MEDIAN_DIFFERENCE, _MEAN_DIFFERENCE = 0.954, 1.128


def measure_levels(images: tf.Tensor) -> tf.Tensor:
    """The brightness of each picture's background and the contrast of its objects.

    The background is the median pixel. The contrast is the distance from there to the 99.8 % quantile, or to the 0.2 %
    quantile where that is farther away: then objects are darker than the background, and the contrast is negative.
    It is at least ten standard deviations of the noise, estimated from differences of neighbouring pixels, so that the
    noise of a picture without objects stays noise, and at least a five-hundredth of the brightest pixels.

    Args:
        images: Pictures, float32 `[batch, height, width, channels]`, in any unit.

    Returns:
        Background and contrast, float32 `[batch, 2]`, in the pictures' unit. The contrast is never 0.
    """
    # A large picture's quantiles are known well enough from a part of its pixels, evenly spaced; sorting takes time.
    step = 1 + (tf.reduce_max(tf.shape(images)[1:3]) - 1) // _LARGEST_SIDE
    pixels = tf.reshape(images[:, ::step, ::step], [tf.shape(images)[0], -1])
    quantiles = tfp.stats.percentile(pixels, [_TAIL_PERCENT, 50.0, 100.0 - _TAIL_PERCENT], axis=1)
    low, background, high = tf.unstack(quantiles)  # [batch] each
    differences = tf.abs(images[:, ::step, 1::step] - images[:, ::step, :-1:step])
    differences = tf.reshape(differences, [tf.shape(images)[0], -1])
    noise = tfp.stats.percentile(differences, 50.0, axis=1) / _MEDIAN_DIFFERENCE
    # Where most neighbours are equal, because numbers are coarse, the median says nothing.
    noise = tf.where(noise > 0.0, noise, tf.reduce_mean(differences, axis=1) / _MEAN_DIFFERENCE)
    brightest = tf.maximum(tf.abs(low), tf.abs(high))
    smallest = tf.maximum(_NOISE_DEVIATIONS * noise, _SMALLEST_CONTRAST * brightest + _ABOVE_ZERO)
    above, below = high - background, background - low
    contrast = tf.where(above >= below, tf.maximum(above, smallest), -tf.maximum(below, smallest))
    return tf.stack([background, contrast], axis=1)


def normalize(images: tf.Tensor, levels: tf.Tensor, gamma: float = 1.0) -> tf.Tensor:
    """Moves the background to 0 and the brightest objects to 1, also where objects are darker than the background.

    Args:
        images: Pictures, float32 `[batch, height, width, channels]`.
        levels: Background and contrast as returned by `measure_levels`, float32 `[batch, 2]`.
        gamma: Power to which what is brighter than the background is raised.

    Returns:
        Normalised pictures, float32 `[batch, height, width, channels]` in [-1, 1]; what lies beyond is cut off.
    """
    background, contrast = _expanded(levels)
    images = (images - background) / contrast
    above = tf.pow(tf.clip_by_value(images, 0.0, 1.0), gamma)
    return tf.where(images > 0.0, above, tf.maximum(images, -1.0))


def restore(images: tf.Tensor, levels: tf.Tensor, gamma: float = 1.0) -> tf.Tensor:
    """The inverse of `normalize`, where nothing was cut off."""
    background, contrast = _expanded(levels)
    above = tf.pow(tf.maximum(images, 0.0), 1.0 / gamma)
    return background + contrast * tf.where(images > 0.0, above, images)


def _expanded(levels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    # Not by `levels[:, 0, None, None, None]`: TensorFlow 2.15's graph optimiser then takes wrong values of the stack.
    return tuple(tf.reshape(values, [-1, 1, 1, 1]) for values in tf.unstack(levels, axis=1))
