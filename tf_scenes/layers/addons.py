"""All imports from TensorFlow Addons, which has reached its end of life: it has no release for Python 3.12 and later.

There, `image_ops` has the same functions, made of TensorFlow's own operations.
"""

import warnings

import tensorflow as tf

from tf_scenes.stack import HAS_ADDONS


def _without_autograph(function: tf.types.experimental.GenericFunction) -> tf.types.experimental.GenericFunction:
    """Traces one of Addons' functions without AutoGraph, which takes up to half a second and changes nothing."""
    return tf.function(function.python_function, autograph=False)


if HAS_ADDONS:
    with warnings.catch_warnings():
        # Users can do nothing about its warnings of the end of life and of untested TensorFlow versions.
        warnings.simplefilter("ignore")
        from tensorflow_addons import image

    gaussian_filter2d = _without_autograph(image.gaussian_filter2d)
    resampler = _without_autograph(image.resampler)
else:
    from tf_scenes.layers.image_ops import gaussian_filter2d, resampler

__all__ = ["gaussian_filter2d", "resampler"]
