import itertools

import numpy as np
import pytest

from tf_scenes.evaluation import metrics


def test_accuracy_by_count():
    true, inferred = np.array([0, 0, 1, 3, 3, 3]), np.array([0, 1, 1, 3, 2, 3])
    assert metrics.count_accuracy_by_count(true, inferred) == {0: 0.5, 1: 1.0, 3: pytest.approx(2 / 3)}


def test_foreground_iou_by_hand():
    images = np.zeros((4, 4, 4, 3))
    images[0, 0, :4, 1] = 1.0  # Four lit pixels, in one channel or another.
    images[1, 2, 2, 0] = 0.2  # One lit pixel, and another that is too dim beside it.
    images[1, 2, 3, 0] = 0.1
    means = np.full((4, 4, 4, 3), 0.5)  # Not above half of the brightest value in the first image: nothing drawn.
    means[0, 0, 2:, 2] = 0.6
    means[0, 1, 0, 0] = 0.9
    means[1] = 0.1
    means[1, 2, 2:, 1] = 0.15
    means[3, 0, 0, 0] = 0.6  # An object in an image without any.
    np.testing.assert_allclose(metrics.foreground_iou(images, means), [2 / 5, 1 / 2, np.nan, 0.0])


def test_foreground_iou_of_grey_sprites_is_1_if_they_are_drawn_as_they_are():
    images = np.random.default_rng(0).uniform(size=(3, 8, 8, 1)) * np.array([1.0, 0.3, 0.01])[:, None, None, None]
    np.testing.assert_array_equal(metrics.foreground_iou(images, images), 1.0)


def test_counting_by_hand():
    true, inferred = np.array([0, 0, 4, 10]), np.array([0, 3, 4, 8])
    expected = {"count_error": 5 / 4, "relative_count_error": (0 / 4 + 2 / 10) / 2, "count_accuracy": 0.5}
    expected.update(count_missed=1 / 4, count_extra=1 / 4)
    assert metrics.counting(true, inferred) == pytest.approx(expected)
    assert metrics.counting(true[:2], inferred[:2])["relative_count_error"] is None


def test_count_errors_by_hand():
    true, inferred = np.array([0, 1, 2, 2, 2, 3]), np.array([0, 2, 2, 1, 2, 2])
    centers = np.zeros((6, 3, 2))
    centers[2, 1], centers[3, 1], centers[4, 1] = (
        (0, 4),
        (3, 4),
        (0, 12),
    )  # 4, 5 and 12 pixels from the first at (0, 0).
    centers[5, 1:] = (0, 9), (0, 2)  # The third is 2 pixels from the first.
    errors = metrics.count_errors(true, inferred, centers, np.array([0.0, 3.0, 1.0, 8.0, 2.0, 4.0]))
    assert errors["by_count"] == {
        "0": {"images": 1, "missed": 0.0, "extra": 0.0},
        "1": {"images": 1, "missed": 0.0, "extra": 1.0},
        "2": {"images": 3, "missed": pytest.approx(1 / 3), "extra": 0.0},
        "3": {"images": 1, "missed": 1.0, "extra": 0.0},
    }
    # Four images with two objects or more: distances 2, 4, 5 and 12.
    assert errors["by_distance"] == {
        "2.0 to 4.0": {"images": 1, "missed": 1.0, "extra": 0.0},
        "4.0 to 5.0": {"images": 1, "missed": 0.0, "extra": 0.0},
        "5.0 to 12.0": {"images": 2, "missed": 0.5, "extra": 0.0},
    }
    assert {name: group["squared_error"] for name, group in errors["by_outcome"].items()} == {
        "right": 1.0,
        "missed": 6.0,
        "extra": 3.0,
    }


def test_count_errors_without_any_error_or_pair():
    errors = metrics.count_errors(np.array([1, 0]), np.array([1, 0]), np.zeros((2, 1, 2)), np.zeros(2))
    assert errors["by_distance"] == {}
    assert list(errors["by_outcome"]) == ["right"]


def test_squared_error_is_per_pixel_and_channel():
    images, means = np.zeros((2, 3, 5, 3)), np.zeros((2, 3, 5, 3))
    means[1, 0, 0, 0] = 0.5
    np.testing.assert_allclose(metrics.mean_squared_error(images, means), [0.0, 0.25 / 45])


def test_location_error_takes_off_one_offset_and_matches_best():
    random = np.random.RandomState(0)
    true = [random.uniform(0, 60, (count, 2)) for count in (3, 0, 2, 7, 4)]
    noise = [random.normal(scale=0.5, size=centers.shape) for centers in true]
    inferred = [(centers + shift + np.array([2.0, -1.0]))[::-1] for centers, shift in zip(true, noise)]
    error, offset = metrics.location_error(true, inferred)
    residuals = np.concatenate(noise)
    expected = np.linalg.norm(residuals - np.median(residuals, axis=0), axis=1).mean()
    np.testing.assert_allclose(error, expected, rtol=1e-6)
    np.testing.assert_allclose(offset, (2.0, -1.0), atol=0.3)


def test_matching_is_the_best_of_all_assignments():
    random = np.random.RandomState(1)
    for _ in range(20):
        true, inferred = random.uniform(0, 9, (3, 2)), random.uniform(0, 9, (4, 2))
        differences = metrics._matched_differences(true, inferred)
        best = min(
            sum(np.linalg.norm(inferred[j] - true[i]) for i, j in enumerate(chosen))
            for chosen in itertools.permutations(range(4), 3)
        )
        np.testing.assert_allclose(np.linalg.norm(differences, axis=1).sum(), best)


def test_location_error_without_pairs_is_none():
    assert metrics.location_error([np.zeros((0, 2))], [np.ones((2, 2))]) == (None, None)


@pytest.mark.parametrize("num_categories", [3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_correspondence_rate_is_that_of_the_best_permutation(num_categories, seed):
    random = np.random.RandomState(seed)
    true = random.randint(-1, num_categories, (60, 3))
    inferred = random.randint(-1, num_categories, (60, 4))

    def found(permutation):
        """Equation 11's in(O, T), set by set."""
        total = 0
        for wanted, guessed in zip(true, inferred):
            left = [label for label in wanted if label >= 0]
            for category in guessed[guessed >= 0]:
                if permutation[category] in left:
                    left.remove(permutation[category])
                    total += 1
        return total

    best = max(map(found, itertools.permutations(range(num_categories))))
    rate, labels = metrics.correspondence_rate(true, inferred)
    np.testing.assert_allclose(rate, best / (true >= 0).sum())
    assert found([labels[category] for category in range(num_categories)]) == best


def test_correspondence_rate_of_the_papers_example():
    true, inferred = np.array([[4, 0, 1, 1, 5]]), np.array([[1, 4, 2, 2, 3]])
    assert metrics.correspondence_rate(true, inferred)[0] == 1.0


def test_correspondence_rate_with_fewer_categories_or_none():
    true = np.array([[0, 1], [2, -1], [1, -1]])
    assert metrics.correspondence_rate(true, np.zeros((3, 2), int))[0] == 0.5  # Both of label 1.
    assert metrics.correspondence_rate(true, np.full((3, 2), -1))[0] == 0.0
    assert np.isnan(metrics.correspondence_rate(np.full((2, 2), -1), true[:2])[0])
