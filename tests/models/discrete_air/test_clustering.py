"""Merging of categories against brute force, and clustering of objects that views leave the same."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import entropy
from sklearn.metrics import adjusted_rand_score

from tf_scenes.models.discrete_air.clustering import CategoryClustering, merge_categories
from tf_scenes.models.discrete_air.invariance import ViewRange, mutual_information
from tf_scenes.stack import keras


def _joint(size, seed):
    joint = np.random.RandomState(seed).gamma(0.3, size=(size, size)) + 3.0 * np.eye(size)
    joint = joint + joint.T
    return (joint / joint.sum()).astype(np.float32)


def _information(joint):
    return entropy(joint.sum(axis=0)) + entropy(joint.sum(axis=1)) - entropy(joint.ravel())


def _merged(joint, groups):
    return np.array([[joint[np.ix_(first, second)].sum() for second in groups] for first in groups])


def _merge_greedily(joint, count):
    groups = [[category] for category in range(len(joint))]
    while len(groups) > count:
        candidates = []
        for first, second in itertools.combinations(range(len(groups)), 2):
            others = [group for number, group in enumerate(groups) if number not in (first, second)]
            candidates.append([*others, groups[first] + groups[second]])
        groups = max(candidates, key=lambda each: _information(_merged(joint, each)))
    return {frozenset(group) for group in groups}


@pytest.mark.parametrize("seed", range(4))
def test_merging_loses_least_information_at_each_step(seed):
    joint = _joint(9, seed)
    merging = merge_categories(tf.constant(joint), 4).numpy()
    np.testing.assert_array_equal(merging.sum(axis=1), np.ones(9))
    assert {frozenset(np.flatnonzero(column)) for column in merging.T} == _merge_greedily(joint, 4)


def test_unused_categories_are_merged_first_and_nothing_is_merged_where_there_are_enough():
    joint = np.zeros((6, 6), np.float32)
    joint[:4, :4] = _joint(4, 0)
    merging = merge_categories(tf.constant(joint), 4).numpy()
    assert len({int(merging[category].argmax()) for category in range(4)}) == 4
    np.testing.assert_array_equal(merge_categories(tf.constant(_joint(5, 1)), 5), np.eye(5))


def _shapes(count, seed):
    """Discs, rings and bars of 16 pixels with their kinds; rings and bars each come thick and thin."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[-1:1:16j, -1:1:16j]
    distance = np.hypot(x, y)
    kinds = random.randint(0, 3, count)
    widths = random.choice([0.12, 0.3], count)
    images = [
        distance < 0.6 if kind == 0 else np.abs(distance - 0.6) < width if kind == 1 else np.abs(x) < width
        for kind, width in zip(kinds, widths)
    ]
    return np.stack(images)[..., None].astype(np.float32), kinds


def test_kinds_of_objects_are_found_without_labels():
    keras.utils.set_random_seed(0)
    clustering = CategoryClustering(3, 9, 2, 32, ViewRange(0.3, 0.2, 0.1, 0.05, 0.0))
    optimizer = keras.optimizers.Adam(2e-3)
    glimpses, _ = _shapes(400, seed=1)
    clustering.candidates(tf.constant(glimpses[:1]))

    @tf.function
    def step(batch, seed):
        with tf.GradientTape() as tape:
            joint = clustering.joint(batch, [seed, seed + 1])
            loss = -tf.reduce_sum(mutual_information(joint))
        clustering.follow(joint)
        variables = clustering.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))

    random = np.random.RandomState(2)
    for number in range(250):
        step(tf.constant(glimpses[random.randint(0, 400, 64)]), tf.constant([number, 0]))
    clustering.merge(tf.constant(True))
    held_out, kinds = _shapes(200, seed=3)
    categories = clustering(tf.constant(held_out)).numpy()
    np.testing.assert_allclose(categories.sum(axis=1), 1.0, rtol=1e-4)
    assert adjusted_rand_score(kinds, categories.argmax(axis=1)) > 0.95


def test_the_clustering_with_most_information_gives_the_categories():
    keras.utils.set_random_seed(0)
    clustering = CategoryClustering(3, 3, 2, 8, ViewRange())
    objects, _ = _shapes(20, seed=0)
    candidates = clustering.candidates(tf.constant(objects)).numpy()
    clustering._joint.assign(np.stack([np.full((3, 3), 1.0 / 9.0), np.eye(3) / 3.0]).astype(np.float32))
    clustering.merge(tf.constant(True))
    categories = clustering(tf.constant(objects))
    np.testing.assert_array_equal(np.argmax(categories, axis=1), candidates[:, 1])
    assert (candidates[:, 0] != candidates[:, 1]).any()
