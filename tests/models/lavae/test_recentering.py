"""Objects between pixels, against a search by hand with stand-ins for networks."""

import numpy as np
import pytest
import tensorflow as tf

from tf_scenes.models.lavae.likelihood import BernoulliPixels
from tf_scenes.models.lavae.placing import offsets_of_mass
from tf_scenes.models.lavae.recentering import Surroundings, drawn_best

SIDE, SPRITE, DIMENSIONS, OBJECTS = 10, 5, 3, 200
MARGIN = 1e-3


@pytest.fixture(scope="module")
def networks():
    """From patches to random appearances, and from these to sprites that are brighter on one side than on the other."""
    random = np.random.default_rng(0)
    seeing = tf.constant(random.normal(size=[(SIDE - 2) ** 2, DIMENSIONS]), tf.float32)
    rows, columns = np.mgrid[-1.0:1.0:5j, -1.0:1.0:5j]
    drawing = tf.constant(np.reshape([rows, columns, np.ones_like(rows)], [DIMENSIONS, SPRITE**2]), tf.float32)

    def infer(patches):
        return tf.reshape(patches, [-1, (SIDE - 2) ** 2]) @ seeing

    def generate(appearance):
        return tf.reshape(tf.sigmoid(appearance @ drawing), [-1, SPRITE, SPRITE, 1])

    return infer, generate


@pytest.fixture(scope="module")
def around():
    random = np.random.default_rng(1)
    seen = (random.random([OBJECTS, SIDE, SIDE, 1]) < 0.3).astype(np.float32)
    empty = random.uniform(0.0, 0.1, seen.shape).astype(np.float32)
    inside = np.ones_like(seen)
    inside[: OBJECTS // 2, : SIDE // 2] = 0.0  # These are in the first row of their image,
    inside[: OBJECTS // 4, :, SIDE // 2 + 1 :] = 0.0  # some of them in its last column as well.
    return Surroundings(*(tf.constant(each) for each in (seen * inside, empty * inside, inside)))


def _by_hand(around, number, infer, generate):
    """Step and appearance of one object, by trying each pixel in turn."""
    seen, empty, inside = (each[number, ..., 0].numpy() for each in around)
    middle, best = SIDE // 2, None
    offset = offsets_of_mass(generate(infer(seen[None, 1:-1, 1:-1])), 2).numpy()[0]
    choices = [[0, int(np.sign(o))] if abs(o) > 0.25 else [0] for o in offset]
    for y in choices[0]:
        for x in choices[1]:
            if not inside[middle + y, middle + x]:
                continue
            appearance = infer(seen[None, 1 + y : SIDE - 1 + y, 1 + x : SIDE - 1 + x])
            canvas = np.zeros([SIDE, SIDE])
            top, left = middle + y - SPRITE // 2, middle + x - SPRITE // 2
            canvas[top : top + SPRITE, left : left + SPRITE] = generate(appearance)[0, ..., 0]
            means = np.clip(empty + canvas * inside, MARGIN, 1.0 - MARGIN)
            log_likelihood = (seen * np.log(means) + (1.0 - seen) * np.log(1.0 - means)).sum()
            if best is None or log_likelihood > best[0]:
                best = log_likelihood, (y, x), appearance[0].numpy()
    return best[1:]


def test_objects_are_moved_to_the_pixel_at_which_they_are_drawn_best(networks, around):
    steps, appearance = drawn_best(around, *networks, BernoulliPixels(MARGIN).log_prob, 2)
    expected = [_by_hand(around, number, *networks) for number in range(OBJECTS)]
    np.testing.assert_array_equal(steps, [step for step, _ in expected])
    np.testing.assert_allclose(appearance, [seen for _, seen in expected], rtol=1e-4, atol=1e-4)
    moved = {tuple(np.abs(step)) for step, _ in expected}
    assert moved == {(0, 0), (0, 1), (1, 0), (1, 1)}, "the example must have all kinds of steps"


def test_objects_in_the_middle_stay(networks, around):
    infer, _ = networks
    steps, appearance = drawn_best(
        around, infer, lambda appearance: tf.ones([tf.shape(appearance)[0], 5, 5, 1]), BernoulliPixels().log_prob, 1
    )
    assert not steps.numpy().any()
    np.testing.assert_array_equal(appearance, infer(around.seen[:, 1:-1, 1:-1]))
