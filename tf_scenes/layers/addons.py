"""All imports from TensorFlow Addons, which has reached its end of life: to replace it, change only this file."""

import warnings

with warnings.catch_warnings():
    # Users can do nothing about its warnings of the end of life and of untested TensorFlow versions.
    warnings.simplefilter("ignore")
    from tensorflow_addons import image

# Addons wraps each in a `tf.function` of its own, which AutoGraph takes up to half a second to convert, to no purpose.
gaussian_filter2d = image.gaussian_filter2d.python_function
interpolate_bilinear = image.interpolate_bilinear.python_function
resampler = image.resampler.python_function
