"""Measures on held-out scenes, as NumPy functions of whole batches."""

from typing import Optional

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist, pdist


def counting(true: np.ndarray, inferred: np.ndarray) -> dict[str, Optional[float]]:
    """How accurately objects are counted.

    Args:
        true: True numbers of objects, int `[images]`.
        inferred: Inferred numbers of objects, int `[images]`.

    Returns:
        `count_accuracy`, the fraction of images whose number of objects is inferred exactly; `count_missed` and
        `count_extra`, the fractions of images with fewer and with more objects inferred than there are; `count_error`,
        the mean absolute difference; `relative_count_error`, the mean over images with an object of the absolute
        difference divided by the true number (the normalised absolute error of crowd counting). None where there are no
        such images.
    """
    differences, countable = np.abs(true - inferred), true > 0
    return {
        "count_accuracy": float(np.mean(differences == 0)) if len(true) else None,
        "count_missed": float(np.mean(inferred < true)) if len(true) else None,
        "count_extra": float(np.mean(inferred > true)) if len(true) else None,
        "count_error": float(np.mean(differences)) if len(true) else None,
        "relative_count_error": float(np.mean(differences[countable] / true[countable])) if countable.any() else None,
    }


def count_accuracy_by_count(true: np.ndarray, inferred: np.ndarray) -> dict[int, float]:
    """The fraction of images whose number of objects is inferred exactly, for each true number that occurs.

    Args:
        true: True numbers of objects, int `[images]`.
        inferred: Inferred numbers of objects, int `[images]`.
    """
    return {int(count): float(np.mean(inferred[true == count] == count)) for count in np.unique(true)}


def count_errors(
    true: np.ndarray, inferred: np.ndarray, centers: np.ndarray, squared_errors: np.ndarray
) -> dict[str, dict[str, dict[str, float]]]:
    """Where objects are missed and where too many are found: by number, by crowding, and by what is left unexplained.

    Args:
        true: True numbers of objects, int `[images]`.
        inferred: Inferred numbers of objects, int `[images]`.
        centers: True centres, float `[images, objects, 2]`, in pixels; only the first ones of an image count.
        squared_errors: Sum over pixels of the squared difference between image and reconstruction, float `[images]`.

    Returns:
        Three dictionaries of groups of images, each with the number of `images` and the shares with objects `missed`
        and `extra`: `by_count`, by true number; `by_distance`, by the smallest distance between two centres, whose
        names hold the range in pixels of each third of the images with two objects or more; `by_outcome`, for images
        counted `right`, with objects `missed` and `extra`, also with the mean `squared_error`.
    """
    missed, extra = inferred < true, inferred > true

    def shares(group: np.ndarray) -> dict[str, float]:
        return {"images": int(group.sum()), "missed": float(missed[group].mean()), "extra": float(extra[group].mean())}

    outcomes = {"right": inferred == true, "missed": missed, "extra": extra}
    return {
        "by_count": {str(count): shares(true == count) for count in np.unique(true)},
        "by_distance": {name: shares(group) for name, group in _thirds(_smallest_distances(true, centers)).items()},
        "by_outcome": {
            name: {**shares(group), "squared_error": float(squared_errors[group].mean())}
            for name, group in outcomes.items()
            if group.any()
        },
    }


def _smallest_distances(counts: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """The smallest distance between two centres of an image, `[images]`; infinite where there are not two."""
    return np.array(
        [pdist(each[:count]).min() if count > 1 else np.inf for each, count in zip(centers, counts)], np.float64
    )


def _thirds(values: np.ndarray) -> dict[str, np.ndarray]:
    """Which values belong to each third of the finite ones, by the third's range."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return {}
    limits = np.quantile(finite, [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0])
    lowest_to_highest = np.searchsorted(limits[1:3], values, side="right")
    groups = {
        f"{limits[third]:.1f} to {limits[third + 1]:.1f}": np.isfinite(values) & (lowest_to_highest == third)
        for third in range(3)
    }
    return {name: group for name, group in groups.items() if group.any()}


def mean_squared_error(images: np.ndarray, pixel_means: np.ndarray) -> np.ndarray:
    """Mean squared error per pixel and channel of each image: `[images, height, width, channels]` -> `[images]`."""
    return np.mean(np.square(images - pixel_means), axis=(1, 2, 3))


def foreground_iou(images: np.ndarray, pixel_means: np.ndarray) -> np.ndarray:
    """Intersection over union of the lit pixels of images on a black background and of their reconstructions.

    A pixel of either is lit if any channel is above half of the brightest value in the image, so that a perfect
    reconstruction of grey sprites with smooth edges has a measure of 1 too.

    Args:
        images: Images, float `[images, height, width, channels]` in [0, 1].
        pixel_means: Reconstructions, float, of the same shape.

    Returns:
        Measure of each image, float `[images]`; NaN if neither the image nor the reconstruction has a lit pixel. In
        images without light, pixels above 0.5 are lit.
    """
    brightest = images.max(axis=(1, 2, 3), keepdims=True)
    level = np.where(brightest > 0.0, brightest, 1.0) / 2.0
    lit, drawn = (images > level).any(axis=-1), (pixel_means > level).any(axis=-1)
    union = np.sum(lit | drawn, axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return np.sum(lit & drawn, axis=(1, 2)) / union


def mean_foreground_iou(of_images: np.ndarray, images_to_count: np.ndarray) -> Optional[float]:
    """Mean of `foreground_iou` over some of the images; None if there are none.

    Args:
        of_images: `foreground_iou` of each image, float `[images]`.
        images_to_count: Whether to include each image, as those with an object, bool `[images]`.
    """
    return float(np.mean(of_images[images_to_count], dtype=np.float64)) if images_to_count.any() else None


def location_error(
    true: list[np.ndarray], inferred: list[np.ndarray], rounds: int = 3
) -> tuple[Optional[float], Optional[np.ndarray]]:
    """Mean distance between matched true and inferred centres, after a constant offset is removed.

    Any point of an object may serve as its location, provided it is the same point for all objects. So the median
    difference between matched centres is subtracted; offset and matching are estimated in turn.

    Args:
        true: True centres in each image, float `[objects, 2]`, y then x in pixels.
        inferred: Inferred centres in each image, float `[objects, 2]`. If the numbers of objects differ, only as many
            as the smaller one are matched.
        rounds: Number of times that matching and offset are estimated.

    Returns:
        Mean distance and offset `[2]`, both in pixels; None and None if no image has both true and inferred centres.
    """
    offset = np.zeros(2)
    for _ in range(rounds):
        pairs = [_matched_differences(a, b - offset) for a, b in zip(true, inferred) if len(a) and len(b)]
        if not pairs:
            return None, None
        differences = np.concatenate(pairs)
        shift = np.median(differences, axis=0)
        offset = offset + shift
    return float(np.linalg.norm(differences - shift, axis=1).mean()), offset


def _matched_differences(true: np.ndarray, inferred: np.ndarray) -> np.ndarray:
    """Inferred minus true centre of each matched pair: `[pairs, 2]`."""
    rows, columns = match_locations(true, inferred)
    return inferred[columns] - true[rows]


def match_locations(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Matches two sets of locations so that the sum of distances within pairs is minimal.

    Args:
        first: Locations, float `[objects, 2]`.
        second: Other locations, float `[other objects, 2]`. If the numbers differ, only as many as the smaller one are
            matched.

    Returns:
        The locations of each pair, as indices into `first`, in ascending order, and indices into `second`.
    """
    return linear_sum_assignment(cdist(first, second))


def correspondence_rate(true: np.ndarray, inferred: np.ndarray) -> tuple[float, dict[int, int]]:
    """Fraction of true labels that are found under the best assignment of labels to categories.

    Equation 11 of Discrete-AIR. If category k has label p(k), the number of labels found is the sum over k of
    W[k, p(k)], where W[k, c] is the sum over images of min(inferred objects of category k, true objects of label c). So
    the best p solves a linear assignment problem, and permutations need not be tried. If there are more categories than
    labels, some get no label.

    Args:
        true: True labels, int `[images, slots]`, -1 where there is no object.
        inferred: Inferred categories, int `[images, other slots]`, -1 where there is no object.

    Returns:
        The rate, and the label of each category that has one; NaN and an empty dictionary if there are no true labels.
    """
    if not (true >= 0).any():
        return float("nan"), {}
    true_counts, inferred_counts = _occurrences(true), _occurrences(inferred)
    found = np.minimum(inferred_counts[:, :, None], true_counts[:, None, :]).sum(axis=0)  # [categories, labels]
    rows, columns = linear_sum_assignment(found, maximize=True)
    rate = found[rows, columns].sum() / true_counts.sum()
    return float(rate), {int(category): int(label) for category, label in zip(rows, columns)}


def _occurrences(values: np.ndarray) -> np.ndarray:
    """How often each value from 0 on occurs in each row: `[images, slots]` -> `[images, largest value + 1]`."""
    return np.stack([np.sum(values == value, axis=1) for value in range(max(values.max(initial=0), 0) + 1)], axis=1)
