"""All imports from TensorFlow Addons, which has reached its end of life: to replace it, change only this file."""

import warnings

with warnings.catch_warnings():
    # Users can do nothing about its warnings of the end of life and of untested TensorFlow versions.
    warnings.simplefilter("ignore")
    from tensorflow_addons.image import gaussian_filter2d, interpolate_bilinear, resampler

__all__ = ["gaussian_filter2d", "interpolate_bilinear", "resampler"]
