import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import center_of_mass
from scipy.signal import convolve2d

from tf_scenes.models.lavae.placing import convolve_sprites, draw_sprites, offsets_of_mass, squared_offsets

# Of three scenes, the second one has no object.
SCENES = np.array([2, 0, 2, 2], np.int32)


def _by_scipy(scenes, locations, sprites, num_scenes):
    """Equation 4: the full convolution, cut so that a sprite's middle is at the hot pixel."""
    height, width = locations.shape[1:]
    h, w, channels = sprites.shape[1:]
    canvas = np.zeros((num_scenes, height, width, channels))
    for scene, location, sprite in zip(scenes, locations, sprites):
        for c in range(channels):
            full = convolve2d(location, sprite[..., c], mode="full")
            canvas[scene, ..., c] += full[h // 2 : h // 2 + height, w // 2 : w // 2 + width]
    return canvas


@pytest.mark.parametrize(
    ("size", "sprite", "channels"), [((13, 17), (5, 3), 1), ((64, 64), (21, 21), 3), ((7, 7), (7, 7), 2)]
)
def test_convolution_is_scipys(size, sprite, channels):
    random = np.random.RandomState(0)
    locations = random.dirichlet(np.full(size[0] * size[1], 0.1), 4).reshape(4, *size).astype(np.float32)
    sprites = random.uniform(size=(4, *sprite, channels)).astype(np.float32)
    expected = _by_scipy(SCENES, locations, sprites, 3)
    np.testing.assert_allclose(convolve_sprites(SCENES, locations, sprites, 3), expected, atol=1e-5)


# The second one's transforms have not a pixel to spare.
@pytest.mark.parametrize(("size", "sprite", "channels"), [((6, 5), (3, 3), 2), ((15, 13), (3, 7), 1)])
def test_gradients_are_those_of_finite_differences(size, sprite, channels):
    random = np.random.RandomState(2)
    locations = tf.constant(random.uniform(size=(2, *size)), tf.float32)
    sprites = tf.constant(random.uniform(size=(2, *sprite, channels)), tf.float32)
    weights = tf.constant(random.normal(size=(2, *size, channels)), tf.float32)

    def value(locations, sprites):
        return tf.reduce_sum(weights * convolve_sprites([1, 1], locations, sprites, 2))

    analytic, numeric = tf.test.compute_gradient(value, [locations, sprites], delta=0.1)
    for a, n in zip(analytic, numeric):
        np.testing.assert_allclose(a, n, rtol=1e-3, atol=1e-3)


def test_drawing_is_convolution_with_one_hot_maps():
    random = np.random.RandomState(2)
    centers = np.array([[0, 0], [10, 13], [5, 6], [4, 12]], np.int32)
    sprites = random.uniform(size=(4, 5, 7, 3)).astype(np.float32)
    maps = np.zeros((4, 11, 14), np.float32)
    maps[range(4), centers[:, 0], centers[:, 1]] = 1.0
    drawn = draw_sprites(tf.constant(SCENES), tf.constant(centers), sprites, 3, 11, 14)
    np.testing.assert_allclose(drawn, _by_scipy(SCENES, maps, sprites, 3), atol=1e-5)


@pytest.mark.parametrize(("power", "slack"), [(1, 0.0), (2, 0.0), (3, 0.5), (1, 1.5)])
def test_offsets_are_those_of_scipys_centre_of_mass(power, slack):
    sprites = np.random.RandomState(0).gamma(0.2, size=(2, 3, 5, 9, 3)).astype(np.float32) * 1e4
    squared = squared_offsets(tf.constant(sprites), power, slack)
    offsets = offsets_of_mass(tf.constant(sprites), power)
    for index in np.ndindex(2, 3):
        offset = np.subtract(center_of_mass((sprites[index] ** power).sum(axis=-1)), (2, 4))
        np.testing.assert_allclose(offsets[index], offset, rtol=1e-3, atol=1e-4)
        beyond = np.maximum(0.0, np.abs(offset) - slack)
        np.testing.assert_allclose(squared[index], beyond @ beyond, rtol=1e-3, atol=1e-4)


def test_a_sprite_that_shows_almost_nothing_is_hardly_off_center():
    sprite = np.zeros((1, 21, 21, 1), np.float32)
    assert squared_offsets(tf.constant(sprite)) == 0.0
    sprite[0, 0, 0] = 0.01
    assert squared_offsets(tf.constant(sprite)) < 0.03
    sprite[0, 0, 0] = 1e4
    np.testing.assert_allclose(squared_offsets(tf.constant(sprite)), 200.0, rtol=1e-3)


def test_squared_brightness_gives_a_faint_stain_hardly_a_mass():
    sprite = np.zeros((1, 35, 35, 1), np.float32)
    sprite[0, 12:21, 14:21] = 1.0  # One pixel above the middle; a stain at the lower edge brings it back.
    sprite[0, 32:, 12:21] = 0.14
    by_brightness, by_its_square = (squared_offsets(tf.constant(sprite), power)[0] for power in (1, 2))
    assert by_brightness < 0.05
    assert 0.7 < by_its_square < 1.0
