import itertools

import numpy as np
import pytest
from scipy import stats

from tf_scenes.data.crops import Crops

DARK = np.array([0.0, 1.0], np.float32)


def _noise(*shape, seed=0, dtype=np.uint8):
    return np.random.RandomState(seed).randint(0, 256, shape).astype(dtype)


def _symmetries(window):
    """The eight symmetries of the square, by transpositions and reversals of its axes."""
    for transposed, down, across in itertools.product((False, True), (1, -1), (1, -1)):
        yield (window.swapaxes(0, 1) if transposed else window)[::down, ::across]


def _places(crop, image):
    """Which windows of an image a crop may be, and by which symmetry."""
    side = len(crop)
    windows = np.lib.stride_tricks.sliding_window_view(image, (side, side, image.shape[-1]))[:, :, 0]
    found = []
    for number, turned in enumerate(_symmetries(crop)):
        found += [(*place, number) for place in np.argwhere((windows == turned).all(axis=(2, 3, 4)))]
    return found


def test_a_crop_is_a_window_of_its_image_in_one_of_eight_symmetries():
    images = [_noise(20, 31, 3), _noise(25, 20, 3, seed=1)]
    crops = Crops(images, np.stack([DARK] * 2), size=8, flip=True)
    drawn = [crops.draw(3, position) for position in range(400)]
    places = [_places(crop, images[index]) for crop, index in drawn]
    assert all(len(found) == 1 for found in places)
    assert all(crop.shape == (8, 8, 3) and crop.dtype == np.uint8 for crop, _ in drawn)
    number = np.bincount([symmetry for ((_, _, symmetry),) in places], minlength=8)
    assert stats.chisquare(number).pvalue > 1e-3
    tops = [found[0][0] for found, (_, index) in zip(places, drawn) if index == 1]
    assert set(tops) == set(range(25 - 8 + 1))  # From edge to edge.
    assert stats.kstest(tops, stats.randint(0, 18).cdf).statistic < 0.12


def test_without_flips_windows_are_upright():
    image = _noise(20, 31, 1)
    crops = Crops([image], DARK[None], size=9, flip=False)
    assert all(_places(crops.draw(0, position)[0], image)[0][2] == 0 for position in range(50))


def test_images_are_drawn_in_proportion_to_their_areas():
    images = [_noise(20, 20, 1), _noise(20, 60, 1), _noise(40, 60, 1)]
    crops = Crops(images, np.stack([DARK] * 3), size=20, flip=True)
    drawn = np.bincount([crops.draw(0, position)[1] for position in range(3_000)])
    assert stats.chisquare(drawn, 3_000 * np.array([1, 3, 6]) / 10).pvalue > 1e-3


def test_a_crop_depends_on_seed_and_position_alone():
    images = [_noise(30, 30, 1), _noise(40, 50, 1, seed=1)]
    one, other = (Crops(images, np.stack([DARK] * 2), size=8, flip=True) for _ in range(2))
    forward = [one.draw(7, position) for position in range(30)]
    backward = [other.draw(7, position) for position in reversed(range(30))][::-1]
    for (crop, index), (same_crop, same_index) in zip(forward, backward):
        assert index == same_index
        np.testing.assert_array_equal(crop, same_crop)
    assert any((one.draw(8, position)[0] != forward[position][0]).any() for position in range(5))
    assert (forward[0][0] != forward[1][0]).any()


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_crops_of_background_are_drawn_rarely(inverted, dtype):
    """A bright block covers 1/16 of the image; windows of a tenth of its side touch it in about 12 % of all places."""
    pixels = np.full((200, 200, 1), 0.2)
    pixels += np.random.RandomState(0).normal(0, 0.01, pixels.shape)
    pixels[60:110, 60:110] = 0.9
    pixels = 1.0 - pixels if inverted else pixels
    levels = np.array([[0.8, -0.7] if inverted else [0.2, 0.7]], np.float32)
    image = (pixels * (np.iinfo(dtype).max if dtype != np.float32 else 1)).astype(dtype)
    shows = np.abs(pixels[..., 0] - levels[0, 0]) > 0.35
    window_shows = np.lib.stride_tricks.sliding_window_view(shows, (20, 20)).mean(axis=(2, 3)) >= 0.01
    chance = window_shows.mean()
    assert 0.1 < chance < 0.2
    # One in ten crops is any window. Of the others those show nothing whose 16 windows all did not.
    expected = 0.1 * (1 - chance) + 0.9 * (1 - chance) ** 16
    crops = Crops([image], levels, size=20, flip=True)
    scale = np.iinfo(dtype).max if dtype != np.float32 else 1.0
    drawn = np.stack([crops.draw(0, position)[0] for position in range(3_000)])[..., 0] / scale
    empty = (np.abs(drawn - levels[0, 0]) > 0.35).mean(axis=(1, 2)) < 0.01
    assert stats.binomtest(int(empty.sum()), len(empty), expected).pvalue > 1e-3


def test_an_image_of_nothing_has_crops_too():
    crops = Crops([np.full((30, 30, 1), 9, np.uint8)], np.array([[9 / 255, 2e-3]], np.float32), size=8, flip=True)
    assert all((crops.draw(0, position)[0] == 9).all() for position in range(20))


def test_one_bright_channel_is_enough_to_stand_out():
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, 60:, 2] = 255
    crops = Crops([image], DARK[None], size=10, flip=False)
    blue = np.mean([crops.draw(0, position)[0].any() for position in range(500)])
    assert blue > 0.9


def test_noise_alone_does_not_stand_out():
    from tf_scenes.layers.levels import measure_levels

    noise = np.random.RandomState(0).normal(0.5, 0.05, (1, 256, 256, 1)).astype(np.float32)
    noise[0, :64, :64] += 0.6
    levels = measure_levels(noise).numpy()
    crops = Crops([noise[0].clip(0, 1)], levels, size=32, flip=False)
    shown = np.mean([(crops.draw(0, position)[0] > 0.85).mean() > 0.01 for position in range(500)])
    assert shown > 0.6  # Such windows are only a tenth of all.
