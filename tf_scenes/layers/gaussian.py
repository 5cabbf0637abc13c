"""Gaussian posteriors from what a network's last layer gives."""

from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

# Keeps the density of what a network is sure of finite.
_SMALLEST_STDDEV = 1e-4


def from_softplus(parameters: tf.Tensor) -> tfd.Normal:
    """Independent normal distributions whose standard deviation is a softplus.

    Args:
        parameters: float32 `[..., 2 D]`, means and then standard deviations before the softplus.

    Returns:
        Distribution with batch shape `[..., D]`.
    """
    mean, raw_stddev = tf.split(parameters, 2, axis=-1)
    return tfd.Normal(mean, tf.nn.softplus(raw_stddev) + _SMALLEST_STDDEV)


def from_log_variance(parameters: tf.Tensor, log_variance_range: Optional[tuple[float, float]] = None) -> tfd.Normal:
    """Independent normal distributions by the logarithm of their variance.

    Args:
        parameters: float32 `[..., 2 D]`, means and then logarithms of variances.
        log_variance_range: what these are clipped to, if anything.

    Returns:
        Distribution with batch shape `[..., D]`.
    """
    mean, log_variance = tf.split(parameters, 2, axis=-1)
    if log_variance_range is not None:
        log_variance = tf.clip_by_value(log_variance, *log_variance_range)
    return tfd.Normal(mean, tf.exp(0.5 * log_variance))
