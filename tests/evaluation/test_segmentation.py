import itertools

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn.metrics import adjusted_rand_score

from tf_scenes.evaluation import segmentation
from tf_scenes.evaluation.segmentation import IOU_THRESHOLDS, ImageScores, score_image, segmentation_scores


def _blobs(seed, num_objects, side=60):
    """Round objects of 3 to 9 pixels' radius, the later in front, under random numbers: int32 [side, side]."""
    random = np.random.default_rng(seed)
    labels = np.zeros((side, side), np.int32)
    rows, columns = np.indices(labels.shape)
    for label in random.choice(np.arange(1, 1_000), num_objects, replace=False):
        (y, x), radius = random.uniform(0, side, 2), random.uniform(3, 9)
        labels[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = label
    return labels


def _inferred(seed, true):
    """The same objects shifted by up to a pixel, some renumbered, missed or invented."""
    random = np.random.default_rng([seed, 1])
    inferred = np.roll(true, random.integers(-1, 2, 2), axis=(0, 1)) * 3
    inferred[np.isin(inferred, random.permutation(np.unique(inferred))[:2])] = 0
    other = _blobs(seed + 50, 3, len(true))
    return np.where(other > 0, other + 5_000, inferred)


PAIRS = [(true, _inferred(seed, true)) for seed, true in enumerate(_blobs(seed, 3 + seed) for seed in range(12))]


def _objects(labels):
    return [labels == label for label in np.unique(labels) if label]


def _overlaps(true, inferred):
    """IoU of each pair by its definition."""
    return np.array([[np.sum(a & b) / np.sum(a | b) for b in _objects(inferred)] for a in _objects(true)])


def _best_matching(overlaps, threshold):
    """Most pairs, and the largest sum of their IoU, of all ways to match every row with a column or none."""
    rows, columns = overlaps.shape
    padded = np.concatenate([overlaps, np.zeros((rows, rows))], axis=1)
    best = (0, 0.0)
    for chosen in itertools.permutations(range(columns + rows), rows):
        values = padded[np.arange(rows), chosen]
        values = values[values >= threshold]
        best = max(best, (len(values), values.sum()))
    return best


@pytest.mark.parametrize("pair", PAIRS)
def test_overlaps_are_those_of_every_pair_of_objects(pair):
    np.testing.assert_allclose(segmentation.intersections_over_union(*pair).toarray(), _overlaps(*pair))


@pytest.mark.parametrize("pair", PAIRS)
def test_overlaps_are_those_of_coco(pair):
    true, inferred = (
        [coco_mask.encode(np.asfortranarray(each, np.uint8)) for each in _objects(labels)] for labels in pair
    )
    expected = coco_mask.iou(true, inferred, [0] * len(inferred))
    np.testing.assert_allclose(segmentation.intersections_over_union(*pair).toarray(), expected)


@pytest.mark.parametrize("covered", [False, True])
def test_overlaps_without_objects_or_background(covered):
    true, inferred = np.full((4, 4), 7 if covered else 0), np.full((4, 4), 9)
    inferred[:, 0] = 2
    overlaps = segmentation.intersections_over_union(true, inferred)
    np.testing.assert_array_equal(overlaps.toarray(), [[0.25, 0.75]] if covered else np.zeros((0, 2)))


@pytest.mark.parametrize("kind, name", [("segm", "num_matched"), ("bbox", "num_boxes_matched")])
@pytest.mark.parametrize("pair", PAIRS)
def test_matches_are_those_of_cocos_evaluation(pair, kind, name):
    """Greedy matching, which is the best one too, as long as no object has two candidates."""
    true, inferred = pair
    coco = COCO()
    coco.dataset = {
        "images": [{"id": 1, "height": 60, "width": 60}],
        "categories": [{"id": 1}],
        "annotations": [
            {**_annotation(each), "id": number + 1, "iscrowd": 0} for number, each in enumerate(_objects(true))
        ],
    }
    coco.createIndex()
    found = coco.loadRes([{**_annotation(each), "score": 1.0} for each in _objects(inferred)])
    evaluation = COCOeval(coco, found, kind)
    evaluation.params.iouThrs = np.array(IOU_THRESHOLDS)
    evaluation.params.maxDets = [1_000]
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e9]], ["all"]
    evaluation.evaluate()
    matches = np.count_nonzero(evaluation.evalImgs[0]["dtMatches"], axis=1)
    assert getattr(score_image(true, inferred), name) == tuple(matches)
    assert 0 < matches[0] > matches[-1]


def _annotation(shown):
    encoded = coco_mask.encode(np.asfortranarray(shown, np.uint8))
    rows, columns = (np.flatnonzero(shown.any(axis=axis)) for axis in (1, 0))
    box = [float(columns[0]), float(rows[0]), float(np.ptp(columns) + 1), float(np.ptp(rows) + 1)]
    return {"image_id": 1, "category_id": 1, "segmentation": encoded, "area": int(shown.sum()), "bbox": box}


def test_boxes_with_several_candidates_are_matched_as_often_as_possible():
    """Objects of one image as crosses and frames around one another, whose boxes overlap."""
    contested = 0
    for seed in range(25):
        random = np.random.default_rng(seed)
        true, inferred = np.zeros((2, 12, 12), int)
        for labels in (true, inferred):
            for number in range(1, 4):
                y, x, height, width = *random.integers(0, 3, 2), *random.integers(6, 10, 2)
                corners = ([y, y + height, y, y + height], [x, x, x + width, x + width])
                labels[tuple(np.array(corners) % 12)] = number
        boxes = [_corners(labels) for labels in (true, inferred)]
        overlaps = np.array([[_box_iou(a, b) for b in boxes[1]] for a in boxes[0]])
        scores = score_image(true, inferred)
        for threshold, number in zip(IOU_THRESHOLDS, scores.num_boxes_matched):
            assert number == _best_matching(overlaps, threshold)[0]
        contested += (np.sum(overlaps >= 0.5, axis=1) > 1).any()
    assert contested > 5


def _corners(labels):
    boxes = []
    for shown in _objects(labels):
        (top, left), (bottom, right) = np.argwhere(shown).min(axis=0), np.argwhere(shown).max(axis=0) + 1
        boxes.append((top, left, bottom, right))
    return boxes


def _box_iou(a, b):
    sides = [min(a[2 + axis], b[2 + axis]) - max(a[axis], b[axis]) for axis in (0, 1)]
    shared = max(sides[0], 0) * max(sides[1], 0)
    return shared / (sum((each[2] - each[0]) * (each[3] - each[1]) for each in (a, b)) - shared)


def test_matching_is_the_best_of_all_assignments():
    """On a few labels in few pixels, where many an IoU is at a threshold exactly and objects halve each other."""
    halved = 0
    for true, inferred in np.random.default_rng(0).integers(0, 4, (600, 2, 2, 3)):
        overlaps, scores = _overlaps(true, inferred).reshape(len(_objects(true)), -1), score_image(true, inferred)
        for threshold, number in zip(IOU_THRESHOLDS, scores.num_matched):
            assert number == _best_matching(overlaps, threshold)[0]
        assert scores.matched_iou == pytest.approx(_best_matching(overlaps, 0.5)[1])
        halved += (np.sum(overlaps == 0.5, axis=1) > 1).any()
    assert halved > 3


def test_an_overlap_at_a_threshold_is_enough():
    """Of 20 pixels 10, 11, ... 19 are found."""
    for found in range(10, 20):
        scores = score_image(np.ones((4, 5), int), (np.arange(20) < found).reshape(4, 5).astype(int))
        assert scores.num_matched == (1,) * (found - 9) + (0,) * (19 - found)
        assert scores.matched_iou == scores.segmentation_covering == found / 20


def test_an_image_by_hand():
    true = np.array([[1, 1, 1, 1, 0, 4, 4, 0, 6]])
    inferred = np.array([[2, 2, 2, 7, 7, 3, 3, 3, 0]])
    # The IoU is 3/4 of 1 with 2, 1/5 of 1 with 7, 2/3 of 4 with 3; nothing is found of 6.
    expected = ImageScores(
        num_true=3,
        num_inferred=3,
        num_matched=(2, 2, 2, 2, 1, 1, 0, 0, 0, 0),
        matched_iou=3 / 4 + 2 / 3,
        num_boxes_matched=(2, 2, 2, 2, 1, 1, 0, 0, 0, 0),
        ari_foreground=adjusted_rand_score([1, 1, 1, 1, 4, 4, 6], [2, 2, 2, 7, 3, 3, 0]),
        segmentation_covering=(3 / 4 + 2 / 3 + 0) / 3,
    )
    assert score_image(true, inferred) == expected


@pytest.mark.parametrize("pair", PAIRS[:4])
def test_numbers_and_places_of_objects_do_not_matter(pair):
    true, inferred = pair
    renamed = np.random.default_rng(0).permutation(np.arange(1, 10_000))[inferred] * (inferred > 0)
    changed = score_image(true.T, renamed.T.astype(np.uint16))
    scores = score_image(true, inferred)
    assert changed.num_matched == scores.num_matched and changed.num_boxes_matched == scores.num_boxes_matched
    for name in ("matched_iou", "ari_foreground", "segmentation_covering"):
        assert getattr(changed, name) == pytest.approx(getattr(scores, name))


@pytest.mark.parametrize("pair", PAIRS)
def test_covering_and_rand_index_by_their_definitions(pair):
    true, inferred = pair
    scores = score_image(true, inferred)
    assert scores.segmentation_covering == pytest.approx(_overlaps(true, inferred).max(axis=1).mean())
    # Pairs of pixels of true objects: together in both, in one, in the other.
    a, b = true[true > 0], inferred[true > 0]
    upper = np.triu_indices(len(a), k=1)
    in_true, in_inferred = (np.equal.outer(each, each)[upper] for each in (a, b))
    both, one, other = np.sum(in_true & in_inferred), np.sum(in_true), np.sum(in_inferred)
    by_chance = one * other / len(upper[0])
    assert scores.ari_foreground == pytest.approx((both - by_chance) / ((one + other) / 2 - by_chance))


def _scores_of_one(true, inferred, thresholds):
    """What `stardist.matching` defines for one image, object by object."""
    overlaps = _overlaps(true, inferred)
    result = {}
    for threshold in thresholds:
        matched = {(i, j) for i, j in zip(*np.nonzero(overlaps >= threshold))}
        result[threshold] = (len(matched), sum(overlaps[pair] for pair in matched))
    return result, *overlaps.shape


def test_measures_of_several_images_by_their_definitions():
    images = [_scores_of_one(*pair, IOU_THRESHOLDS) for pair in PAIRS]
    true, inferred = (np.array(counts) for counts in list(zip(*images))[1:])
    found = {threshold: sum(image[threshold][0] for image, _, _ in images) for threshold in IOU_THRESHOLDS}
    precisions = {
        threshold: number / (number + (inferred.sum() - number) + (true.sum() - number))
        for threshold, number in found.items()
    }
    precision, recall = found[0.5] / inferred.sum(), found[0.5] / true.sum()
    false = inferred.sum() + true.sum() - 2 * found[0.5]
    all_scores = [score_image(*pair) for pair in PAIRS]
    boxes_found = np.sum([scores.num_boxes_matched for scores in all_scores], axis=0)
    box_precisions = boxes_found / (inferred.sum() + true.sum() - boxes_found)
    assert segmentation_scores(all_scores) == pytest.approx(
        {
            "ap_50": precisions[0.5],
            "ap_70": precisions[0.7],
            "ap": np.mean(list(precisions.values())),
            "box_ap_50": box_precisions[0],
            "box_ap": np.mean(box_precisions),
            "precision": precision,
            "recall": recall,
            "f1": 2 / (1 / precision + 1 / recall),
            "panoptic_quality": sum(image[0.5][1] for image, _, _ in images) / (found[0.5] + false / 2),
            "count_error": np.mean(np.abs(true - inferred)),
            "relative_count_error": np.mean(np.abs(true - inferred) / true),
            "count_accuracy": np.mean(true == inferred),
            "count_missed": np.mean(inferred < true),
            "count_extra": np.mean(inferred > true),
            "ari_foreground": np.mean([scores.ari_foreground for scores in all_scores]),
            "ari_of_several": np.mean([scores.ari_foreground for scores in all_scores if scores.num_true > 1]),
            "segmentation_covering": np.mean([scores.segmentation_covering for scores in all_scores]),
        }
    )
    assert 0.1 < precisions[0.7] < precisions[0.5] < recall < 1


def test_a_perfect_segmentation_is_perfect():
    measures = segmentation_scores([score_image(true, true) for true, _ in PAIRS])
    errors = {"count_error", "relative_count_error", "count_missed", "count_extra"}
    assert measures == {name: 0.0 if name in errors else pytest.approx(1.0) for name in measures}


def test_what_cannot_be_measured_is_none():
    empty, blob = np.zeros((4, 4), int), np.eye(4, dtype=int)
    assert set(segmentation_scores([]).values()) == {None}
    of_nothing = segmentation_scores([score_image(empty, empty)])
    assert {name: value for name, value in of_nothing.items() if value is not None} == {
        "count_error": 0.0,
        "count_accuracy": 1.0,
        "count_missed": 0.0,
        "count_extra": 0.0,
    }
    missed = segmentation_scores([score_image(blob, empty)])
    assert missed["precision"] is None
    assert (missed["ap_50"], missed["recall"], missed["f1"], missed["segmentation_covering"]) == (0, 0, 0, 0)
    invented = segmentation_scores([score_image(empty, blob)])
    assert (invented["precision"], invented["recall"], invented["ap"]) == (0.0, None, 0.0)
    assert (invented["relative_count_error"], invented["ari_foreground"]) == (None, None)
    # Images without objects do not enter the means over images with objects, but count for all others.
    both = segmentation_scores([score_image(empty, blob), score_image(blob, blob)])
    assert (both["ap_50"], both["segmentation_covering"], both["count_error"]) == (0.5, 1.0, 0.5)
    assert (both["box_ap_50"], both["ari_foreground"], both["ari_of_several"]) == (0.5, 1.0, None)


def test_thousands_of_objects_in_a_large_image():
    grid = np.arange(64 * 64).reshape(64, 64)
    true = np.kron(grid, np.ones((12, 12), int))  # The object of number 0 is background.
    inferred = np.roll(true, 2, axis=1)  # An object of 12 x 12 shares 10 columns with its own shifted one.
    scores = score_image(true, inferred)
    # Where a row ends, an object is two parts, one of which is 2 columns wide and at the other end.
    assert scores.num_true == scores.num_inferred == 64 * 64 - 1
    assert scores.num_matched == (64 * 64 - 1,) * 5 + (0,) * 5
    assert scores.segmentation_covering == pytest.approx(10 / 14)
