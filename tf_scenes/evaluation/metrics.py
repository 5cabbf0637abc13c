"""What is measured on held-out scenes, as NumPy functions of whole batches."""

from typing import Any, Optional

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist


def counting(true: np.ndarray, inferred: np.ndarray) -> dict[str, Any]:
    """How well objects are counted.

    Args:
        true: int `[images]`, the numbers of objects.
        inferred: int `[images]`.

    Returns:
        `count_accuracy`, the share of images whose number of objects is inferred correctly, and
        `count_accuracy_by_count`, the same for each true number that occurs.
    """
    by_count = {int(count): float(np.mean(inferred[true == count] == count)) for count in np.unique(true)}
    return {"count_accuracy": float(np.mean(true == inferred)), "count_accuracy_by_count": by_count}


def mean_squared_error(images: np.ndarray, pixel_means: np.ndarray) -> np.ndarray:
    """Mean squared error per pixel and channel of each image: `[images, height, width, channels]` -> `[images]`."""
    return np.mean(np.square(images - pixel_means), axis=(1, 2, 3))


def foreground_iou(images: np.ndarray, pixel_means: np.ndarray) -> np.ndarray:
    """Intersection over union of what is lit in the image and in its reconstruction.

    A pixel of the image is lit if any channel is above 0, one of the reconstruction if any channel's mean is above 0.5.

    Args:
        images: float `[images, height, width, channels]` in [0, 1].
        pixel_means: float, the same shape.

    Returns:
        float `[images]`; NaN where neither image nor reconstruction has a lit pixel.
    """
    lit, drawn = (images > 0.0).any(axis=-1), (pixel_means > 0.5).any(axis=-1)
    union = np.sum(lit | drawn, axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return np.sum(lit & drawn, axis=(1, 2)) / union


def mean_foreground_iou(of_images: np.ndarray, images_to_count: np.ndarray) -> Optional[float]:
    """The mean of `foreground_iou` over some of the images; None where there are none.

    Args:
        of_images: float `[images]`.
        images_to_count: bool `[images]`, those with something to see.
    """
    return float(np.mean(of_images[images_to_count], dtype=np.float64)) if images_to_count.any() else None


def location_error(
    true: list[np.ndarray], inferred: list[np.ndarray], rounds: int = 3
) -> tuple[Optional[float], Optional[np.ndarray]]:
    """Mean distance between matched true and inferred centres, up to one constant offset.

    A model is free to call any point of an object its location, as long as it is the same one for all. So the median
    difference over all matched pairs is taken off, matching and offset in turn.

    Args:
        true: for each image float `[objects, 2]`, pixels, y then x.
        inferred: for each image float `[objects, 2]`; the smaller of the two numbers of objects is matched.
        rounds: how often offset and matching are refined.

    Returns:
        The mean distance and the offset `[2]`, pixels; None and None where no image has both kinds of centres.
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
    """Inferred less true centre for each matched pair: `[pairs, 2]`."""
    rows, columns = match_locations(true, inferred)
    return inferred[columns] - true[rows]


def match_locations(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of the assignment with the least total distance.

    Args:
        first: float `[objects, 2]`.
        second: float `[other objects, 2]`; the smaller of the two numbers of objects is matched.

    Returns:
        The objects of each pair: indices into `first`, in order, and into `second`.
    """
    return linear_sum_assignment(cdist(first, second))


def correspondence_rate(true: np.ndarray, inferred: np.ndarray) -> tuple[float, dict[int, int]]:
    """Share of true labels that are found in their image under the best renaming of categories.

    Equation 11 of Discrete-AIR. Under a renaming p, the labels found are the sum over categories k of W[k, p(k)], where
    W[k, c] is the sum over images of min(inferred objects of category k, true objects of label c). So the best one is
    an assignment problem, solved exactly, and no permutation need be tried. Categories in excess stay without a label.

    Args:
        true: int `[images, slots]`, labels, -1 where there is no object.
        inferred: int `[images, other slots]`, categories, -1 where there is no object.

    Returns:
        The rate, and the label of each category that has one. NaN and nothing where there is no true label.
    """
    if not (true >= 0).any():
        return float("nan"), {}
    true_counts, inferred_counts = _occurrences(true), _occurrences(inferred)
    found = np.minimum(inferred_counts[:, :, None], true_counts[:, None, :]).sum(axis=0)  # [categories, labels]
    rows, columns = linear_sum_assignment(found, maximize=True)
    rate = found[rows, columns].sum() / true_counts.sum()
    return float(rate), {int(category): int(label) for category, label in zip(rows, columns)}


def _occurrences(values: np.ndarray) -> np.ndarray:
    """How often each value occurs in each row: `[images, slots]` -> `[images, largest value + 1]`; -1 is nothing."""
    return np.stack([np.sum(values == value, axis=1) for value in range(max(values.max(initial=0), 0) + 1)], axis=1)
