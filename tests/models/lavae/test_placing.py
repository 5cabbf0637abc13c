import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import center_of_mass
from scipy.signal import convolve2d

from tf_scenes.models.lavae.placing import convolve_sprites, draw_sprites, squared_offsets


def _by_scipy(locations, sprites):
    """Equation 4: the full convolution, cut so that a sprite's middle is at the hot pixel."""
    batch, objects, height, width = locations.shape
    h, w, channels = sprites.shape[2:]
    canvas = np.zeros((batch, height, width, channels))
    for b in range(batch):
        for i in range(objects):
            for c in range(channels):
                full = convolve2d(locations[b, i], sprites[b, i, ..., c], mode="full")
                canvas[b, ..., c] += full[h // 2 : h // 2 + height, w // 2 : w // 2 + width]
    return canvas


@pytest.mark.parametrize(
    ("size", "sprite", "channels"), [((13, 17), (5, 3), 1), ((64, 64), (21, 21), 3), ((7, 7), (7, 7), 2)]
)
def test_convolution_is_scipys(size, sprite, channels):
    random = np.random.RandomState(0)
    locations = random.dirichlet(np.full(size[0] * size[1], 0.1), (2, 3)).reshape(2, 3, *size).astype(np.float32)
    sprites = random.uniform(size=(2, 3, *sprite, channels)).astype(np.float32)
    np.testing.assert_allclose(convolve_sprites(locations, sprites), _by_scipy(locations, sprites), atol=1e-5)


# The second one's transforms have not a pixel to spare.
@pytest.mark.parametrize(("size", "sprite", "channels"), [((6, 5), (3, 3), 2), ((15, 13), (3, 7), 1)])
def test_gradients_are_those_of_finite_differences(size, sprite, channels):
    random = np.random.RandomState(2)
    locations = tf.constant(random.uniform(size=(1, 2, *size)), tf.float32)
    sprites = tf.constant(random.uniform(size=(1, 2, *sprite, channels)), tf.float32)
    weights = tf.constant(random.normal(size=(1, *size, channels)), tf.float32)

    def value(locations, sprites):
        return tf.reduce_sum(weights * convolve_sprites(locations, sprites))

    analytic, numeric = tf.test.compute_gradient(value, [locations, sprites], delta=0.1)
    for a, n in zip(analytic, numeric):
        np.testing.assert_allclose(a, n, rtol=1e-3, atol=1e-3)


def test_drawing_is_convolution_with_one_hot_maps():
    random = np.random.RandomState(2)
    scenes, centers = np.array([1, 0, 1, 1]), np.array([[0, 0], [10, 13], [5, 6], [4, 12]])
    sprites = random.uniform(size=(4, 5, 7, 3)).astype(np.float32)
    expected = np.zeros((3, 11, 14, 3))
    for scene, (y, x), sprite in zip(scenes, centers, sprites):
        maps = np.zeros((1, 1, 11, 14), np.float32)
        maps[0, 0, y, x] = 1.0
        expected[scene] += _by_scipy(maps, sprite[None, None])[0]
    drawn = draw_sprites(tf.constant(scenes, tf.int32), tf.constant(centers, tf.int32), sprites, 3, 11, 14)
    np.testing.assert_allclose(drawn, expected, atol=1e-5)


@pytest.mark.parametrize(("power", "slack"), [(1, 0.0), (2, 0.0), (3, 0.5), (1, 1.5)])
def test_offsets_are_those_of_scipys_centre_of_mass(power, slack):
    sprites = np.random.RandomState(0).gamma(0.2, size=(2, 3, 5, 9, 3)).astype(np.float32) * 1e4
    squared = squared_offsets(tf.constant(sprites), power, slack)
    for index in np.ndindex(2, 3):
        offset = np.subtract(center_of_mass((sprites[index] ** power).sum(axis=-1)), (2, 4))
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
