"""All imports from TensorFlow Addons, which has reached its end of life: to replace it, change only this file."""

import warnings

import tensorflow as tf

with warnings.catch_warnings():
    # Users can do nothing about its warnings of the end of life and of untested TensorFlow versions.
    warnings.simplefilter("ignore")
    from tensorflow_addons import image


def _without_autograph(function: tf.types.experimental.GenericFunction) -> tf.types.experimental.GenericFunction:
    """Traces one of Addons' functions without AutoGraph, which takes up to half a second and changes nothing."""
    return tf.function(function.python_function, autograph=False)


gaussian_filter2d = _without_autograph(image.gaussian_filter2d)
interpolate_bilinear = _without_autograph(image.interpolate_bilinear)
resampler = _without_autograph(image.resampler)
