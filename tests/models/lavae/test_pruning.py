"""The test of what an object is, where its sprite is only, against the one of whole canvases."""

import numpy as np
import pytest
import tensorflow as tf

from tf_scenes.layers.acceptance import gains_more_than_it_costs
from tf_scenes.models.lavae.likelihood import BernoulliPixels
from tf_scenes.models.lavae.pruning import worth_their_cost

SCENES, OBJECTS, HEIGHT, WIDTH = 60, 6, 15, 18


@pytest.fixture
def scenes():
    """Images with some of the objects that were drawn, some at the edge, some twice; and what they cost."""
    random = np.random.RandomState(0)
    centers = np.stack([random.randint(0, HEIGHT, (SCENES, OBJECTS)), random.randint(0, WIDTH, (SCENES, OBJECTS))], -1)
    centers[:, 0], centers[:, 1], centers[:, 3] = (0, 0), (HEIGHT - 1, WIDTH - 1), centers[:, 2]
    sprites = random.beta(0.3, 0.6, size=(SCENES, OBJECTS, 5, 7, 2)).astype(np.float32)
    drawings = np.stack([[_pasted(*each) for each in zip(*scene)] for scene in zip(sprites, centers)])
    shown = random.uniform(size=(SCENES, OBJECTS, 1, 1, 1)) < 0.4
    empty = random.uniform(0.0, 0.2, (SCENES, HEIGHT, WIDTH, 2)).astype(np.float32)
    images = ((drawings * shown).sum(axis=1) + empty > 0.5).astype(np.float32)
    costs = random.uniform(0.0, 25.0, (SCENES, OBJECTS)).astype(np.float32)
    candidates = random.uniform(size=(SCENES, OBJECTS)) > 0.2
    return images, empty, centers.astype(np.int32), candidates, sprites, costs, drawings


def _pasted(sprite, center):
    canvas = np.zeros((HEIGHT + 4, WIDTH + 6, 2), np.float32)
    canvas[center[0] : center[0] + 5, center[1] : center[1] + 7] = sprite
    return canvas[2:-2, 3:-3]


@pytest.mark.parametrize("rejected_stay", [False, True])
def test_objects_pass_as_on_whole_canvases(scenes, rejected_stay):
    *arguments, drawings = map(tf.constant, scenes)
    images, empty, _, candidates, _, costs = arguments
    log_prob = BernoulliPixels().log_prob
    expected = gains_more_than_it_costs(
        drawings, costs, lambda canvas: log_prob(images, canvas), candidates, rejected_stay, empty
    ).numpy()
    passes = worth_their_cost(*arguments, log_prob, rejected_stay)
    assert 0.1 < expected.mean() < 0.7
    np.testing.assert_array_equal(passes, expected)
    traced = tf.function(lambda *inputs: worth_their_cost(*inputs, log_prob, rejected_stay), autograph=False)
    np.testing.assert_array_equal(traced(*arguments), expected)


def test_without_candidates_nothing_passes(scenes):
    images, empty, centers, candidates, sprites, costs, _ = map(tf.constant, scenes)
    none = tf.zeros_like(candidates)
    assert not worth_their_cost(images, empty, centers, none, sprites, costs, BernoulliPixels().log_prob).numpy().any()
    no_slots = [each[:, :0] for each in (centers, candidates, sprites, costs)]
    assert worth_their_cost(images, empty, *no_slots, BernoulliPixels().log_prob).shape == (SCENES, 0)
