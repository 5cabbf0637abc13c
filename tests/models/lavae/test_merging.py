import numpy as np
import pytest
import tensorflow as tf
from skimage.measure import regionprops

from tf_scenes.models.lavae.merging import _solidities, convex_unions

Y, X = np.mgrid[:40, :60]


def _disc(y, x, radius):
    return np.hypot(Y - y, X - x) <= radius


def _merges(labels, limit=0.9, side=25):
    merges = convex_unions(tf.constant(labels, tf.int32), tf.constant(labels.max(), tf.int32), side, limit)
    return {(int(kept), int(dropped)): tuple(center) for kept, dropped, center in zip(*(m.numpy() for m in merges))}


@pytest.fixture
def halves():
    """Two images: a disc in two halves and another, cut off at the edge; two discs that touch and one alone."""
    labels = np.zeros((2, 40, 60), int)
    labels[0, _disc(14, 13, 8)] = 1
    labels[0, _disc(14, 13, 8) & (Y > 15)] = 2
    labels[0, _disc(30, 58, 7)] = 3
    labels[0, _disc(30, 58, 7) & (Y > 28)] = 4
    labels[1, _disc(12, 20, 6)] = 5
    labels[1, _disc(12, 33, 6)] = 6
    labels[1, 12, 26:28] = 5
    labels[1, _disc(30, 30, 5)] = 7
    return labels


def test_halves_of_one_object_are_one_and_touching_objects_are_two(halves):
    merges = _merges(halves)
    assert set(merges) == {(1, 2), (3, 4)}
    assert merges[1, 2] == (14, 13)
    union = np.argwhere(_disc(30, 58, 7)).mean(axis=0)
    np.testing.assert_array_equal(merges[3, 4], union.round())


def test_unions_larger_than_the_frame_are_not_looked_at(halves):
    assert set(_merges(halves, side=17)) == {(1, 2), (3, 4)}
    assert set(_merges(halves, side=15)) == {(3, 4)}


def test_an_object_is_in_one_pair_at_most():
    labels = np.zeros((1, 40, 60), int)
    bar = (abs(Y - 20) < 4) & (abs(X - 30) < 12)
    for number, (first, last) in enumerate(((18, 26), (26, 34), (34, 43)), start=1):
        labels[0, bar & np.isin(X, range(first, last))] = number
    merges = _merges(labels)
    assert len(merges) == 1  # All three are as convex.
    assert 2 in next(iter(merges))


def test_nothing_to_merge():
    assert not _merges(np.zeros((2, 12, 12), int))
    lone = np.zeros((1, 12, 12), int)
    lone[0, 3:6, 3:6] = 1
    assert not _merges(lone)


def test_solidities_are_those_of_scikit_image():
    """Up to the number of directions."""
    random = np.random.RandomState(0)
    blobs = []
    for _ in range(20):
        y, x, radius = random.uniform(10, 20, 3), random.uniform(10, 30, 3), random.uniform(4, 8, 3)
        blobs.append(_disc(y[0], x[0], radius[0]) | _disc(y[1], x[1], radius[1]) | _disc(y[2], x[2], radius[2]))
    expected = [regionprops(blob.astype(int))[0].solidity for blob in blobs]
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(_solidities(tf.constant(np.stack(blobs))), expected, atol=0.03)
