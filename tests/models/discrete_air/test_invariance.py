"""Mutual information against scikit-learn, and views against their definition."""

import numpy as np
import tensorflow as tf
from scipy import ndimage
from sklearn.metrics import mutual_info_score

from tf_scenes.models.discrete_air.invariance import ViewRange, joint_distribution, mutual_information, random_views


def test_mutual_information_of_hard_assignments_is_scikit_learns():
    random = np.random.RandomState(0)
    first = random.randint(0, 4, 500)
    second = np.where(random.rand(500) < 0.7, first, random.randint(0, 4, 500))
    both = [np.concatenate(pair) for pair in ((first, second), (second, first))]  # Symmetrised, as the estimate is.
    one_hot = np.eye(4, dtype=np.float32)
    estimate = mutual_information(joint_distribution(one_hot[first][:, None], one_hot[second][:, None]))
    np.testing.assert_allclose(estimate, [mutual_info_score(*both)], rtol=1e-3)


def test_it_is_largest_for_sure_and_evenly_used_categories():
    sure = np.eye(5, dtype=np.float32)[np.arange(100) % 5][:, None]
    np.testing.assert_allclose(mutual_information(joint_distribution(sure, sure)), [np.log(5)], rtol=1e-3)
    vague = np.full((100, 1, 5), 0.2, np.float32)
    np.testing.assert_allclose(mutual_information(joint_distribution(vague, vague)), [0.0], atol=1e-4)
    one = np.tile(np.eye(5, dtype=np.float32)[:1], (100, 1))[:, None]
    np.testing.assert_allclose(mutual_information(joint_distribution(one, one)), [0.0], atol=1e-3)


def test_views_differ_by_as_much_as_is_allowed():
    y, x = np.mgrid[-1:1:20j, -1:1:20j]
    blob = np.exp(-(((x - 0.4) ** 2 + y**2) * 20)).astype(np.float32)[None, ..., None]
    glimpses = tf.constant(np.repeat(blob, 300, axis=0))
    same = random_views(glimpses, ViewRange(0.0, 0.0, 0.0, 0.0, 0.0), tf.constant([0, 1]))
    np.testing.assert_allclose(same, glimpses, atol=1e-5)
    turned = random_views(glimpses, ViewRange(np.pi / 2, 0.0, 0.0, 0.0, 0.0), tf.constant([0, 1])).numpy()[..., 0]
    weights = turned / turned.sum((1, 2), keepdims=True)
    angles = np.arctan2((weights * y).sum((1, 2)), (weights * x).sum((1, 2)))
    assert np.abs(angles).max() < np.pi / 2 + 0.05
    assert np.std(angles) > 0.8 * np.pi / 2 / np.sqrt(3)  # Uniform.
    assert (
        (random_views(glimpses, ViewRange(), tf.constant([0, 1])) == random_views(glimpses, ViewRange(), [0, 1]))
        .numpy()
        .all()
    )
    assert not np.allclose(turned, random_views(glimpses, ViewRange(np.pi / 2), tf.constant([0, 2]))[..., 0])


def test_strokes_become_wider_or_thinner_by_up_to_a_pixel():
    glimpse = np.zeros((12, 12), np.float32)
    glimpse[3:9, 4:8] = np.random.RandomState(0).uniform(0.5, 1.0, (6, 4))
    glimpses = tf.constant(np.repeat(glimpse[None, ..., None], 50, axis=0))
    views = random_views(glimpses, ViewRange(0.0, 0.0, 0.0, 0.0, 1.0), tf.constant([0, 1])).numpy()[..., 0]
    widest = ndimage.grey_dilation(glimpse, 3, mode="constant")
    thinnest = ndimage.grey_erosion(glimpse, 2, origin=(-1, -1), mode="constant")
    changes = []
    for view in views:
        wider = view.sum() > glimpse.sum()
        full = (widest if wider else thinnest) - glimpse
        share = np.sum((view - glimpse) * full) / np.sum(full**2)
        np.testing.assert_allclose(view, glimpse + share * full, atol=1e-5)
        changes.append(share if wider else -share)
    assert min(changes) < -0.8 and max(changes) > 0.8
    assert np.abs(changes).max() <= 1.0
