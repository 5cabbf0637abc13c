"""Image operations from core ones against TensorFlow Addons, and against SciPy where there is no Addons."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import gaussian_filter, map_coordinates

from tf_scenes.layers import image_ops
from tf_scenes.stack import HAS_ADDONS

RANDOM = np.random.RandomState(7)
IMAGES = RANDOM.uniform(size=(3, 12, 17, 2)).astype(np.float32)
# Inside, on pixels, on edges, outside, and far outside.
POINTS = np.concatenate(
    [
        RANDOM.uniform(-3.0, 20.0, (3, 200, 2)),
        RANDOM.randint(-2, 18, (3, 50, 2)),
        np.tile([[1e9, -1e9], [16.0, 11.0], [16.5, 11.5], [-0.5, -0.5]], (3, 1, 1)),
    ],
    axis=1,
).astype(np.float32)
needs_addons = pytest.mark.skipif(not HAS_ADDONS, reason="TensorFlow Addons has no release for this Python")


def _value_and_gradients(function, *inputs):
    inputs = [tf.constant(each) for each in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = function(*inputs)
        total = tf.reduce_sum(value * tf.constant(np.cos(np.arange(np.prod(value.shape))), tf.float32, value.shape))
    return [value, *tape.gradient(total, inputs)]


@needs_addons
@pytest.mark.parametrize("name", ["resampler", "interpolate_bilinear"])
def test_samplers_are_those_of_addons_in_value_and_gradients(name):
    from tensorflow_addons import image

    # Exactly on a pixel the derivative jumps, and either side's is right.
    points = POINTS[:, :200]
    axes = {"indexing": "xy"} if name == "interpolate_bilinear" else {}
    expected = _value_and_gradients(lambda *inputs: getattr(image, name)(*inputs, **axes), IMAGES, points)
    for one, other in zip(_value_and_gradients(getattr(image_ops, name), IMAGES, points), expected):
        np.testing.assert_allclose(one, other, atol=2e-5)
    at_all = getattr(image, name)(tf.constant(IMAGES), tf.constant(POINTS), **axes)
    # Addons casts coordinates that are far outside to integers, which overflow.
    near = np.abs(POINTS).max(axis=-1) < 1e6
    np.testing.assert_allclose(getattr(image_ops, name)(IMAGES, POINTS)[near], at_all[near], atol=2e-5)


def test_the_resampler_is_linear_interpolation_with_zeros_outside():
    values = image_ops.resampler(tf.constant(IMAGES), tf.constant(POINTS)).numpy()
    for image, points, found in zip(IMAGES, POINTS, values):
        for channel in range(2):
            padded = np.pad(image[..., channel], 2)
            y, x = np.clip(points[:, 1], -2, 13), np.clip(points[:, 0], -2, 18)
            np.testing.assert_allclose(found[:, channel], map_coordinates(padded, [y + 2, x + 2], order=1), atol=2e-5)


@needs_addons
@pytest.mark.parametrize("padding", ["CONSTANT", "REFLECT", "SYMMETRIC"])
@pytest.mark.parametrize(("shape", "sigma"), [(5, 1.3), (4, 1.0), ((3, 6), (0.7, 2.0))])
def test_blurring_is_that_of_addons_in_value_and_gradient(shape, sigma, padding):
    from tensorflow_addons import image

    expected = _value_and_gradients(lambda images: image.gaussian_filter2d(images, shape, sigma, padding), IMAGES)
    found = _value_and_gradients(lambda images: image_ops.gaussian_filter2d(images, shape, sigma, padding), IMAGES)
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_blurring_is_scipys_gaussian_filter():
    found = image_ops.gaussian_filter2d(tf.constant(IMAGES), 13, 1.5, "CONSTANT")
    expected = gaussian_filter(IMAGES, (0, 1.5, 1.5, 0), mode="constant", truncate=4.0)
    np.testing.assert_allclose(found, expected, atol=2e-5)
