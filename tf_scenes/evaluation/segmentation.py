"""Measures of how well objects are outlined, on label images: whole numbers, 0 on the background, one for each object.

An inferred object is right if it can be matched with a true one at an intersection over union (IoU) of at least some
threshold. Of the objects of all images together, matched ones are true positives (TP), other inferred ones false
positives (FP), other true ones false negatives (FN). Boxes are those around the pixels of each object.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.csgraph import maximum_bipartite_matching

from tf_scenes.evaluation import metrics

# Quotients of whole numbers, as IoUs are, so that an IoU of exactly 0.7 is at the threshold of 0.7.
IOU_THRESHOLDS = tuple(percent / 100 for percent in range(50, 100, 5))
# Boxes that are compared with all others at once.
_BOXES = 500


@dataclasses.dataclass(frozen=True)
class ImageScores:
    """What is measured on one image.

    Attributes:
        num_true: Number of true objects.
        num_inferred: Number of inferred objects.
        num_matched: Number of matched pairs at each of `IOU_THRESHOLDS`.
        matched_iou: Sum of the IoU of the pairs that are matched at 0.5.
        num_boxes_matched: Number of pairs whose boxes are matched at each of `IOU_THRESHOLDS`.
        ari_foreground: Adjusted Rand index on the pixels of true objects; None without true objects.
        segmentation_covering: Mean over the true objects of the largest IoU with an inferred one; None without true
            objects.
    """

    num_true: int
    num_inferred: int
    num_matched: tuple[int, ...]
    matched_iou: float
    num_boxes_matched: tuple[int, ...]
    ari_foreground: Optional[float]
    segmentation_covering: Optional[float]


def score_image(true: np.ndarray, inferred: np.ndarray) -> ImageScores:
    """Compares the objects of one image with the true ones.

    Pairs are matched so that there are as many as possible at an IoU of 0.5, as `stardist.matching` does. Objects of a
    label image do not overlap, so that an object with an IoU above 0.5 to another has no second candidate: the pairs
    that are matched at 0.5 hold those of every higher threshold. Boxes do overlap, and are matched at each.

    Args:
        true: True objects, int `[height, width]`.
        inferred: Inferred objects, int `[height, width]`.
    """
    numbered = _without_gaps(true), _without_gaps(inferred)
    overlaps = _overlaps(*numbered)
    matched = _matched(overlaps)
    boxes = (_boxes(numbers.reshape(np.shape(true))) for numbers, _ in numbered)
    lit = np.asarray(true) > 0
    return ImageScores(
        num_true=overlaps.shape[0],
        num_inferred=overlaps.shape[1],
        num_matched=tuple(int(np.count_nonzero(matched >= threshold)) for threshold in IOU_THRESHOLDS),
        matched_iou=float(matched.sum()),
        num_boxes_matched=_boxes_matched(*boxes),
        ari_foreground=_adjusted_rand_index(true[lit], inferred[lit]) if lit.any() else None,
        segmentation_covering=_covering(overlaps) if lit.any() else None,
    )


def intersections_over_union(true: np.ndarray, inferred: np.ndarray) -> sparse.csr_array:
    """Intersection over union of each true object with each inferred one.

    Args:
        true: Labels of the true objects, int `[height, width]`; 0 is the background, and numbers may be left out.
        inferred: Labels of the inferred objects, likewise.

    Returns:
        Sparse matrix, float64 `[true objects, inferred objects]`, both in ascending order of their labels.
    """
    return _overlaps(_without_gaps(true), _without_gaps(inferred))


def _overlaps(true: tuple[np.ndarray, int], inferred: tuple[np.ndarray, int]) -> sparse.csr_array:
    """The same of labels that are numbered without gaps, see `_without_gaps`."""
    (rows, num_rows), (columns, num_columns) = true, inferred
    pixels = sparse.coo_array((np.ones(rows.size), (rows, columns)), (num_rows, num_columns)).tocsr()
    true_areas, inferred_areas = pixels.sum(axis=1), pixels.sum(axis=0)
    shared = pixels[1:, 1:].tocoo()
    unions = true_areas[1 + shared.row] + inferred_areas[1 + shared.col] - shared.data
    return sparse.coo_array((shared.data / unions, (shared.row, shared.col)), shared.shape).tocsr()


def segmentation_scores(images: Sequence[ImageScores]) -> dict[str, Any]:
    """The measures of a set of images.

    Average precision is TP / (TP + FP + FN). It is taken over the objects of all images together, as StarDist does
    (`matching_dataset`, where it is called accuracy), so that each object weighs the same. Cellpose and the 2018 Data
    Science Bowl take the same fraction of each image and average over images, the latter also over thresholds. It is
    not the area under a curve of precision over recall, as in COCO: no confidences are needed.

    Args:
        images: What was measured on each image.

    Returns:
        `ap_50` and `ap_70`, average precision at an IoU of 0.5 and 0.7, and `ap`, the mean over 0.5, 0.55, ..., 0.95;
        `box_ap_50` and `box_ap`, the same of boxes;
        `precision`, TP / (TP + FP), `recall`, TP / (TP + FN), `f1`, their harmonic mean, and `panoptic_quality`, the
        sum of the IoU of all pairs divided by TP + FP / 2 + FN / 2 (Kirillov et al., 2019), all at 0.5; the
        `metrics.counting` of the numbers of objects; `ari_foreground` (Hubert and Arabie, 1985) and
        `segmentation_covering` (mSC, unscaled: Engelcke et al., 2020), means over images with objects, and
        `ari_of_several`, the index's mean over images with at least two. To the adjusted Rand index, pixels of true
        objects that are left to the background are one object more: it falls fast where there are many objects; of a
        single object it is 0 if one pixel is left, and 1 if all are. Measures without anything to measure are None.
    """
    true = np.array([image.num_true for image in images], int)
    inferred = np.array([image.num_inferred for image in images], int)
    matched, boxes_matched = (
        np.array(numbers, int).reshape(-1, len(IOU_THRESHOLDS)).sum(axis=0)
        for numbers in ([image.num_matched for image in images], [image.num_boxes_matched for image in images])
    )
    num_true, num_inferred, num_matched = true.sum(), inferred.sum(), matched[0]
    precisions, of_boxes = (
        [_ratio(count, num_true + num_inferred - count) for count in counts] for counts in (matched, boxes_matched)
    )
    return {
        "ap_50": precisions[IOU_THRESHOLDS.index(0.5)],
        "ap_70": precisions[IOU_THRESHOLDS.index(0.7)],
        "ap": _mean(precisions),
        "box_ap_50": of_boxes[IOU_THRESHOLDS.index(0.5)],
        "box_ap": _mean(of_boxes),
        "precision": _ratio(num_matched, num_inferred),
        "recall": _ratio(num_matched, num_true),
        "f1": _ratio(2.0 * num_matched, num_true + num_inferred),
        "panoptic_quality": _ratio(2.0 * sum(image.matched_iou for image in images), num_true + num_inferred),
        **metrics.counting(true, inferred),
        "ari_foreground": _mean([image.ari_foreground for image in images]),
        "ari_of_several": _mean([image.ari_foreground for image in images if image.num_true > 1]),
        "segmentation_covering": _mean([image.segmentation_covering for image in images]),
    }


def _without_gaps(labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Labels numbered anew without gaps, int32 `[pixels]`, and how many there are; the background is always 0."""
    present, numbers = np.unique(labels, return_inverse=True)
    background_missing = int(not (present == 0).any())
    # int32, because the matching of older versions of SciPy takes no other indices.
    return numbers.ravel().astype(np.int32) + background_missing, len(present) + background_missing


def _matched(overlaps: sparse.csr_array) -> np.ndarray:
    """IoU of each matched pair, of which there are as many as possible at the lowest threshold: float64 `[pairs]`."""
    if not overlaps.nnz:
        return np.zeros(0)
    columns = maximum_bipartite_matching(overlaps >= IOU_THRESHOLDS[0], perm_type="column")
    pairs = overlaps.tocoo()
    return pairs.data[columns[pairs.row] == pairs.col]


def _boxes(labels: np.ndarray) -> np.ndarray:
    """Left, top, width and height of the box around each object, in pixels: float64 `[objects, 4]`.

    Args:
        labels: Labels without gaps, int32 `[height, width]`.
    """
    slices = ndimage.find_objects(labels)
    boxes = [[x.start, y.start, x.stop - x.start, y.stop - y.start] for y, x in slices]
    return np.array(boxes, np.float64).reshape(-1, 4)


def _boxes_matched(true: np.ndarray, inferred: np.ndarray) -> tuple[int, ...]:
    """Most pairs of boxes that can be matched, at each of `IOU_THRESHOLDS`."""
    if not (len(true) and len(inferred)):
        return (0,) * len(IOU_THRESHOLDS)
    from pycocotools import mask  # Only needed where there are masks.

    # In parts: of thousands of boxes, the IoU of all pairs would take gigabytes.
    firsts = range(0, len(true), _BOXES)
    parts = (mask.iou(true[first : first + _BOXES], inferred, np.zeros(len(inferred))) for first in firsts)
    pairs = sparse.vstack([sparse.csr_array(np.where(part >= IOU_THRESHOLDS[0], part, 0.0)) for part in parts])
    rows, columns = pairs.nonzero()
    if len(np.unique(rows)) == len(np.unique(columns)) == pairs.nnz:  # No box has two candidates.
        return tuple(int(np.count_nonzero(pairs.data >= threshold)) for threshold in IOU_THRESHOLDS)
    return tuple(_most_pairs(pairs >= threshold) for threshold in IOU_THRESHOLDS)


def _most_pairs(candidates: sparse.csr_array) -> int:
    """Most of the candidates, bool `[true, inferred]`, that have no row or column in common."""
    return int(np.count_nonzero(maximum_bipartite_matching(candidates, perm_type="column") >= 0))


def _adjusted_rand_index(true: np.ndarray, inferred: np.ndarray) -> float:
    from sklearn.metrics import adjusted_rand_score  # Slow to import, and only needed where there are masks.

    return float(adjusted_rand_score(true, inferred))


def _covering(overlaps: sparse.csr_array) -> float:
    return float(overlaps.max(axis=1).toarray().mean()) if overlaps.shape[1] else 0.0


def _ratio(part: float, whole: float) -> Optional[float]:
    return float(part / whole) if whole else None


def _mean(values: Sequence[Optional[float]]) -> Optional[float]:
    """Mean of the values that are not None; None if there are none."""
    measured = [value for value in values if value is not None]
    return float(np.mean(measured)) if measured else None
