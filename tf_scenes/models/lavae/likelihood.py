"""The distribution of LAVAE's pixels given the sprites: equations 4 and 12."""

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

# Sums of sprites are kept this far from 0 and 1, where a Bernoulli pixel would have an infinite log-likelihood.
_PIXEL_MARGIN = 1e-4


def pixel_likelihood(pixel_sums: tf.Tensor) -> tfd.Bernoulli:
    """p(x | n, l, z), equations 4 and 12: independent Bernoulli pixels.

    Args:
        pixel_sums: Sum of the placed sprites, of any shape; clipped to the open interval (0, 1), since overlapping
            sprites can add up to more than 1 and Fourier transforms leave rounding errors.
    """
    return tfd.Bernoulli(probs=tf.clip_by_value(pixel_sums, _PIXEL_MARGIN, 1.0 - _PIXEL_MARGIN), dtype=tf.float32)


def log_likelihood(images: tf.Tensor, pixel_sums: tf.Tensor) -> tf.Tensor:
    """Log p(x | n, l, z) in nats per image: `[..., height, width, channels]` -> `[...]`."""
    return tf.reduce_sum(pixel_likelihood(pixel_sums).log_prob(images), axis=[-3, -2, -1])
