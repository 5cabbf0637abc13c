"""The greedy test of what an object is, against a loop over scenes and objects."""

import numpy as np
import pytest
import tensorflow as tf

from tf_scenes.layers.acceptance import gains_more_than_it_costs

SCENES, OBJECTS, SIDE, STDDEV = 200, 5, 6, 0.4


def _log_likelihood(image, canvas):
    return -0.5 * np.sum((image - canvas) ** 2) / STDDEV**2


def _one_by_one(images, drawings, costs, candidates, rejected_stay):
    passes = np.zeros(costs.shape, bool)
    for scene in range(len(images)):
        canvas = np.zeros(images.shape[1:])
        for number in range(costs.shape[1]):
            with_object = canvas + drawings[scene, number]
            gain = _log_likelihood(images[scene], with_object) - _log_likelihood(images[scene], canvas)
            passes[scene, number] = candidates[scene, number] and gain > costs[scene, number]
            if passes[scene, number] or rejected_stay:
                canvas = with_object
    return passes


@pytest.fixture
def scenes():
    """Images with some of the objects that were drawn, some of them twice and some wrong; and what objects cost."""
    random = np.random.RandomState(0)
    drawings = random.uniform(size=(SCENES, OBJECTS, SIDE, SIDE, 1))
    drawings[random.uniform(size=(SCENES, OBJECTS)) < 0.1] = 0.0
    drawings[:, 3] = drawings[:, 1]
    shown = random.uniform(size=(SCENES, OBJECTS, 1, 1, 1)) < 0.3
    noise = random.normal(scale=0.1, size=(SCENES, SIDE, SIDE, 1))
    images = (drawings * shown).sum(axis=1) + noise
    costs = random.uniform(0.0, 60.0, (SCENES, OBJECTS))
    return images, drawings, costs, random.uniform(size=(SCENES, OBJECTS)) > 0.3


def _passes(images, drawings, costs, candidates=None, **options):
    images = tf.constant(images, tf.float32)
    return gains_more_than_it_costs(
        tf.constant(drawings, tf.float32),
        tf.constant(costs, tf.float32),
        lambda canvas: -0.5 * tf.reduce_sum((images - canvas) ** 2, axis=[1, 2, 3]) / STDDEV**2,
        candidates=None if candidates is None else tf.constant(candidates),
        **options,
    ).numpy()


@pytest.mark.parametrize("rejected_stay", [False, True])
@pytest.mark.parametrize("with_candidates", [False, True])
def test_objects_pass_as_in_a_loop_over_them(scenes, rejected_stay, with_candidates):
    images, drawings, costs, candidates = scenes
    allowed = candidates if with_candidates else np.ones_like(candidates)
    passes = _passes(images, drawings, costs, candidates if with_candidates else None, rejected_stay=rejected_stay)
    assert passes.dtype == bool
    np.testing.assert_array_equal(passes, _one_by_one(images, drawings, costs, allowed, rejected_stay))
    assert 0.1 < passes.mean() < 0.9
    assert not passes[~allowed].any()


def test_whether_the_rejected_stay_makes_a_difference(scenes):
    images, drawings, costs, _ = scenes
    leaving, staying = (_passes(images, drawings, costs, rejected_stay=stay) for stay in (False, True))
    np.testing.assert_array_equal(leaving[:, 0], staying[:, 0])
    assert (leaving != staying).mean() > 0.05


def test_a_second_drawing_of_the_same_object_gains_nothing():
    square = np.zeros((1, SIDE, SIDE, 1))
    square[0, 1:4, 1:4] = 1.0
    passes = _passes(square, np.stack([square, square], axis=1), np.zeros((1, 2)))
    np.testing.assert_array_equal(passes, [[True, False]])
    # It must gain more than it costs; as much is not enough.
    gain = 0.5 * 9 / STDDEV**2
    for cost, passed in ((gain - 0.01, True), (gain + 0.01, False)):
        assert _passes(square, square[:, None], np.full((1, 1), cost)).item() is passed
    assert not _passes(square, np.zeros((1, 1, SIDE, SIDE, 1)), np.zeros((1, 1))).any()
