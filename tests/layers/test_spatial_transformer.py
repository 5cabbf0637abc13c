"""The spatial transformer against matrix algebra, finite differences, SciPy and itself."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import map_coordinates

from tf_scenes.layers import affine
from tf_scenes.layers.spatial_transformer import SpatialTransformer, pixel_centers

RANDOM = np.random.RandomState(3)


def _factors(batch):
    scale = RANDOM.uniform(0.2, 0.9, (batch, 2)).astype(np.float32)
    translation = RANDOM.uniform(-0.5, 0.5, (batch, 2)).astype(np.float32)
    angle = RANDOM.uniform(0, 2 * np.pi, batch)
    skew = RANDOM.uniform(-0.5, 0.5, (batch, 2)).astype(np.float32)
    return scale, translation, angle, skew


def _transform(scale, translation, angle, skew):
    direction = np.stack([np.cos(angle), np.sin(angle)], -1).astype(np.float32)
    placed = affine.scale_and_translation(tf.constant(scale), tf.constant(translation))
    return placed.after(affine.rotation(tf.constant(direction))).after(affine.skew(tf.constant(skew)))


def _by_hand(scale, translation, angle, skew):
    """Equation 6 in NumPy, one at a time."""
    (s_x, s_y), (t_x, t_y), (k_x, k_y) = scale, translation, skew
    placed = np.array([[s_x, 0, t_x], [0, s_y, t_y], [0, 0, 1]], np.float64)
    turned = np.array([[np.cos(angle), np.sin(-angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    skewed = np.array([[1 + k_x * k_y, k_x, 0], [k_y, 1, 0], [0, 0, 1]], np.float64)
    return placed @ turned @ skewed


def bumps(size, middles):
    """Smooth images, 0 at the edge: `[images, size, size, 1]`."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    bumps = np.stack([np.exp(-((x - a) ** 2 + (y - b) ** 2) * 8) for a, b in middles])
    return (bumps * np.clip(3 * (1 - np.maximum(abs(x), abs(y))), 0, 1))[..., None].astype(np.float32)


def test_factorised_transform_is_equation_6_and_its_inverse_equation_7():
    factors = _factors(50)
    transform = _transform(*factors)
    expected = np.stack([_by_hand(*one) for one in zip(*factors)])
    np.testing.assert_allclose(transform.matrix(), expected, atol=1e-6)
    np.testing.assert_allclose(transform.inverse().matrix(), np.linalg.inv(expected), rtol=1e-4, atol=1e-5)
    both = transform.inverse().matrix() @ transform.matrix()
    np.testing.assert_allclose(both, np.broadcast_to(np.eye(3), both.shape), atol=2e-6)


def test_joint_matrix_is_inverted_in_closed_form():
    matrices = (np.eye(2) + RANDOM.uniform(-0.4, 0.4, (30, 2, 2))).astype(np.float32)
    joint = affine.joint_rotation_and_skew(tf.constant(matrices))
    np.testing.assert_allclose(joint.inverse().linear, np.linalg.inv(matrices), rtol=1e-5, atol=1e-6)


def test_pixel_centers_run_from_edge_to_edge():
    centers = pixel_centers(2, 4).numpy().reshape(2, 4, 2)
    np.testing.assert_allclose(centers[0, :, 0], [-0.75, -0.25, 0.25, 0.75])
    np.testing.assert_allclose(centers[:, 0, 1], [-0.5, 0.5])


@pytest.mark.parametrize("core_ops_only", [False, True])
def test_reading_is_bilinear_interpolation_with_zeros_outside(core_ops_only):
    images = RANDOM.uniform(size=(4, 17, 23, 2)).astype(np.float32)
    factors = _factors(4)
    glimpses = SpatialTransformer(9).read(tf.constant(images), _transform(*factors), core_ops_only)
    for number, one in enumerate(zip(*factors)):
        points = np.c_[pixel_centers(9, 9), np.ones(81)] @ _by_hand(*one).T
        x, y = (points[:, 0] + 1) * 23 / 2 - 0.5, (points[:, 1] + 1) * 17 / 2 - 0.5
        for channel in range(2):
            padded = np.pad(images[number, ..., channel], 30)
            expected = map_coordinates(padded, [y + 30, x + 30], order=1)
            np.testing.assert_allclose(glimpses[number, ..., channel], expected.reshape(9, 9), atol=2e-5)


def test_both_ops_agree_in_value_and_gradient():
    images = tf.constant(RANDOM.uniform(size=(3, 20, 16, 1)).astype(np.float32))
    scale, translation, angle, skew = _factors(3)
    translation = tf.constant(translation + 0.6)  # Partly outside.
    layer, results = SpatialTransformer(8), []
    for core_ops_only in (False, True):
        with tf.GradientTape() as tape:
            tape.watch([images, translation])
            transform = _transform(scale, translation, angle, skew)
            glimpses = layer.read(images, transform, core_ops_only)
            written = layer.write(glimpses, transform, 13, 11, core_ops_only)
            total = tf.reduce_sum(glimpses**2) + tf.reduce_sum(written**3)
        results.append((glimpses, written, *tape.gradient(total, [images, translation])))
    for fast, core in zip(*results):
        np.testing.assert_allclose(fast, core, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("core_ops_only", [False, True])
def test_gradients_agree_with_finite_differences(core_ops_only):
    # Smooth and fine: at every pixel's edge bilinear interpolation has a corner, which differences would round.
    images, target = bumps(64, [(0.1, -0.2)]), bumps(64, [(-0.1, 0.1)])
    layer = SpatialTransformer(48)

    def loss(pixels, scale, translation, angle, skew):
        direction = tf.stack([tf.cos(angle), tf.sin(angle)], -1)
        transform = affine.scale_and_translation(scale, translation)
        transform = transform.after(affine.rotation(direction)).after(affine.skew(skew))
        glimpses = layer.read(pixels, transform, core_ops_only)
        return tf.reduce_sum(target * layer.write(glimpses, transform, 64, 64, core_ops_only))

    values = [images, *map(np.float32, ([[0.41, 0.53]], [[0.07, -0.11]], [0.3], [[0.1, 0.2]]))]
    inputs = [tf.constant(value) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = loss(*inputs)
    gradients = tape.gradient(total, inputs)
    for position, gradient in enumerate(gradients):
        step = 0.5 if position == 0 else 3e-4  # In the image the function is linear.
        for index in list(np.ndindex(values[position].shape))[:: 97 if position == 0 else 1]:
            ends = []
            for sign in (1, -1):
                moved = [value.copy() for value in values]
                moved[position][index] += sign * step
                ends.append(float(loss(*map(tf.constant, moved))))
            np.testing.assert_allclose(gradient[index], (ends[0] - ends[1]) / (2 * step), rtol=0.03, atol=0.08)


def test_reading_what_was_written_returns_it_up_to_interpolation():
    smooth = bumps(24, RANDOM.uniform(-0.3, 0.3, (40, 2)))
    scale, translation, angle, skew = _factors(40)
    # At least about a canvas pixel for each pixel of the glimpse, and inside the canvas.
    scale, translation = 0.4 + 0.1 * scale, 0.1 * translation
    transform = _transform(scale, translation, angle, 0.5 * skew)
    layer = SpatialTransformer(24)
    back = layer.read(layer.write(tf.constant(smooth), transform, 96, 96), transform)
    np.testing.assert_allclose(back, smooth, atol=0.05)
    assert np.mean(np.abs(back - smooth)) < 0.005


def test_far_outside_is_zero():
    images = tf.ones([1, 8, 8, 1])
    for core_ops_only in (False, True):
        transform = affine.scale_and_translation(tf.constant([[0.1, 0.1]]), tf.constant([[1e12, -1e12]]))
        assert not np.any(SpatialTransformer(4).read(images, transform, core_ops_only))
