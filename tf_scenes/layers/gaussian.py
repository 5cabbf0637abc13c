"""Gaussian priors, and posteriors from the outputs of a network's last layer."""

from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

# Keeps densities finite where a network is very certain.
_SMALLEST_STDDEV = 1e-4


def standard(num_dimensions: int) -> tfd.Distribution:
    """The normal distribution N(0, I) with event shape `[num_dimensions]`."""
    zeros = tf.zeros([num_dimensions])
    return tfd.Independent(tfd.Normal(zeros, tf.ones_like(zeros)), reinterpreted_batch_ndims=1)


def from_softplus(parameters: tf.Tensor) -> tfd.Normal:
    """Independent normal distributions whose standard deviations are given by a softplus.

    Args:
        parameters: Means, then standard deviations before the softplus, float32 `[..., 2 D]`.

    Returns:
        Distribution with batch shape `[..., D]`.
    """
    mean, raw_stddev = tf.split(parameters, 2, axis=-1)
    return tfd.Normal(mean, tf.nn.softplus(raw_stddev) + _SMALLEST_STDDEV)


def from_log_variance(parameters: tf.Tensor, log_variance_range: Optional[tuple[float, float]] = None) -> tfd.Normal:
    """Independent normal distributions whose variances are given by their logarithms.

    Args:
        parameters: Means, then logarithms of the variances, float32 `[..., 2 D]`.
        log_variance_range: Range to which the logarithms are clipped; None does not clip.

    Returns:
        Distribution with batch shape `[..., D]`.
    """
    mean, log_variance = tf.split(parameters, 2, axis=-1)
    if log_variance_range is not None:
        log_variance = tf.clip_by_value(log_variance, *log_variance_range)
    return tfd.Normal(mean, tf.exp(0.5 * log_variance))
