import numpy as np
import pytest
import tensorflow as tf

from tf_scenes.models.lavae.patches import expected_patches, in_patches, patches_at
from tf_scenes.models.lavae.placing import draw_sprites


def _cut(image, center, side):
    half = side // 2
    padded = np.pad(image, [(half, half), (half, half), (0, 0)])
    return padded[center[0] : center[0] + side, center[1] : center[1] + side]


@pytest.mark.parametrize(("size", "side", "channels"), [((13, 17), 4, 1), ((20, 16), 12, 3), ((8, 8), 8, 2)])
def test_patches_of_maps_are_means_over_all_pixels(size, side, channels):
    random = np.random.RandomState(0)
    images = random.uniform(size=(2, *size, channels)).astype(np.float32)
    maps = random.dirichlet(np.full(size[0] * size[1], 0.05), 3).reshape(3, *size).astype(np.float32)
    scenes = np.array([1, 0, 1], np.int32)
    expected = np.zeros((3, side, side, channels))
    for i, scene in enumerate(scenes):
        for y in range(size[0]):
            for x in range(size[1]):
                expected[i] += maps[i, y, x] * _cut(images[scene], (y, x), side)
    np.testing.assert_allclose(expected_patches(images, scenes, maps, side), expected, atol=1e-5)


def test_patches_at_pixels_are_cut_out_to_the_very_edge():
    images = np.random.RandomState(1).uniform(size=(2, 11, 14, 3)).astype(np.float32)
    centers = np.array([[[0, 0], [10, 13], [5, 6]], [[10, 0], [3, 13], [0, 7]]], np.int32)
    patches = patches_at(tf.constant(images), tf.constant(centers), 6)
    for b in range(2):
        for i in range(3):
            np.testing.assert_array_equal(patches[b, i], _cut(images[b], centers[b, i], 6))


def test_the_gradient_of_maps_is_that_of_finite_differences():
    random = np.random.RandomState(2)
    images = tf.constant(random.uniform(size=(2, 7, 6, 2)), tf.float32)
    maps = tf.constant(random.uniform(size=(3, 7, 6)), tf.float32)
    weights = tf.constant(random.normal(size=(3, 4, 4, 2)), tf.float32)

    def value(maps):
        return tf.reduce_sum(weights * expected_patches(images, tf.constant([1, 0, 1]), maps, 4))

    (analytic,), (numeric,) = tf.test.compute_gradient(value, [maps], delta=0.1)
    np.testing.assert_allclose(analytic, numeric, rtol=1e-3, atol=1e-3)


def test_channels_are_known_where_the_size_of_the_batch_is_not():
    specs = tf.TensorSpec([None, 24, 24, 3]), tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, 24, 24])
    traced = tf.function(lambda *inputs: expected_patches(*inputs, 12)).get_concrete_function(*specs)
    assert traced.structured_outputs.shape.as_list()[1:] == [12, 12, 3]


@pytest.mark.parametrize(("size", "side"), [((5, 7), 12), ((9, 5), 6), ((7, 7), 6), ((21, 21), 24)])
def test_sprites_lie_in_patches_as_they_do_on_canvases(size, side):
    sprites = np.random.RandomState(3).uniform(size=(2, *size, 3)).astype(np.float32)
    centers = np.array([[20, 22], [25, 19]], np.int32)
    canvases = draw_sprites(tf.range(2), centers, sprites, 2, 46, 45)
    expected = patches_at(canvases, centers[:, None], side)[:, 0]
    np.testing.assert_array_equal(in_patches(tf.constant(sprites), side), expected)
