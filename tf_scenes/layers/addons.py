"""The only door to TensorFlow Addons, so that leaving it one day is a change to one file."""

import warnings

with warnings.catch_warnings():
    # The end-of-life banner and the table of versions are for us to know, not for users.
    warnings.simplefilter("ignore")
    from tensorflow_addons.image import gaussian_filter2d, interpolate_bilinear, resampler

__all__ = ["gaussian_filter2d", "interpolate_bilinear", "resampler"]
