import numpy as np
import pytest
from scipy import ndimage

from tf_scenes.models.lavae.counting import best_threshold, count_local_maxima, highest_local_maxima, local_maxima


@pytest.mark.parametrize("window", [3, 7, 11])
def test_maxima_are_those_of_scipys_maximum_filter(window):
    values = np.random.RandomState(0).normal(size=(4, 30, 25)).astype(np.float32)
    expected = np.stack(
        [(ndimage.maximum_filter(v, window, mode="constant", cval=-np.inf) == v) & (v > 1.0) for v in values]
    )
    np.testing.assert_array_equal(local_maxima(values, window, 1.0), expected)
    np.testing.assert_array_equal(count_local_maxima(values, window, 1.0), expected.sum(axis=(1, 2)))


def test_a_plateau_is_one_maximum():
    values = np.zeros((1, 20, 20), np.float32)
    values[0, 4:6, 4:7] = 2.0
    values[0, 15, 10] = 2.0
    assert count_local_maxima(values, 5, 0.5).numpy() == [2]
    np.testing.assert_array_equal(np.argwhere(local_maxima(values, 5, 0.5)[0]), [[5, 6], [15, 10]])


def test_a_flat_map_has_none_above_its_level():
    assert count_local_maxima(np.full((1, 8, 8), 0.4, np.float32), 5, 0.5).numpy() == [0]


def test_highest_maxima_come_first_and_are_padded():
    values = np.zeros((2, 16, 16), np.float32)
    values[0, 2, 3], values[0, 12, 13], values[0, 2, 12] = 1.0, 3.0, 2.0
    centers, present = highest_local_maxima(values, 5, 0.5, 5)
    np.testing.assert_array_equal(present, [[1, 1, 1, 0, 0], [0] * 5])
    np.testing.assert_array_equal(centers[0], [[12, 13], [2, 12], [2, 3], [0, 0], [0, 0]])
    centers, present = highest_local_maxima(values, 5, 0.5, 2)
    np.testing.assert_array_equal(centers[0], [[12, 13], [2, 12]])


def test_more_slots_than_pixels():
    centers, present = highest_local_maxima(np.ones((1, 2, 2), np.float32), 3, 0.5, 9)
    assert present.numpy().sum() == 1
    assert centers.shape == (1, 9, 2)


def test_best_threshold_makes_the_fewest_errors():
    random = np.random.RandomState(0)
    for count in (1, 2, 5, 40):
        values = random.normal(size=count).astype(np.float32)
        is_object = values + random.normal(scale=0.5, size=count) > 0
        if not is_object.any():
            continue
        threshold = best_threshold(values, is_object)
        candidates = [*(values - 1e-4), values.max() + 1]
        errors = [np.sum((values > candidate) != is_object) for candidate in candidates]
        assert np.sum((values > threshold) != is_object) == min(errors)


def test_best_threshold_is_in_the_middle_of_the_gap():
    values = np.array([0.1, 0.5, 0.6, 1.2, 2.0])
    assert best_threshold(values, values > 1.0) == pytest.approx(0.9)
