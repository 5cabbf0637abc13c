"""Masks and boxes of objects that are drawn alone, against NumPy, with a decoder that draws discs."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tf_scenes.models.single_objects import boxes_of_objects, masks_of_objects

HEIGHT, WIDTH = 20, 24


def _cones(description, height, width):
    """Cones on ground of brightness 0.2, in two channels; `appearance` is a cone's height and its radius."""
    assert description["presence"].shape[1] == 1  # One at a time, so that memory does not grow with their number.
    rows, columns = tf.range(tf.cast(height, tf.float32))[:, None], tf.range(tf.cast(width, tf.float32))
    y, x = (description["locations"][..., axis, None, None] for axis in (0, 1))
    peak, radius = (description["appearance"][..., axis, None, None] for axis in (0, 1))
    distance = tf.sqrt((rows - y) ** 2 + (columns - x) ** 2)
    cones = tf.nn.relu(1.0 - distance / tf.maximum(radius, 1.0)) * peak
    drawn = 0.2 + tf.reduce_sum(cones * description["presence"][..., None, None], axis=1)
    return tf.stack([drawn, 0.2 + (drawn - 0.2) / 2], axis=-1)


# Two that overlap, bright and dim; one darker than the ground, cut off at the edge; none; one off the canvas.
OBJECTS = np.float32([[6, 7, 0.7, 5.7], [10, 12, 0.05, 5.2], [19, 23, -0.15, 6.3], [0, 0, 0, 0], [-40, 3, 0.5, 3]])
PRESENCE = np.float32([[1, 1, 1, 0, 1], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0]])
DESCRIPTION = {
    "num_objects": PRESENCE.sum(1).astype(np.int32),
    "presence": PRESENCE,
    "locations": OBJECTS[None, :, :2] * PRESENCE[..., None],
    "appearance": OBJECTS[None, :, 2:] * PRESENCE[..., None],
}


def _fraction(number):
    """A cone's height as a fraction of its peak, at all pixels."""
    y, x, _, radius = OBJECTS[number]
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    height = np.maximum(0, 1 - np.hypot(rows - y, columns - x) / radius)
    return height / max(height.max(), 1e-9)


def _called(function, in_graph):
    if not in_graph:
        return function(_cones, {name: tf.constant(value) for name, value in DESCRIPTION.items()}, HEIGHT, WIDTH)
    # Numbers of scenes, slots and pixels that are not known in advance.
    specs = {name: tf.TensorSpec([None, None, *value.shape[2:]][: value.ndim]) for name, value in DESCRIPTION.items()}
    size = tf.TensorSpec([], tf.int32)
    graph = tf.function(functools.partial(function, _cones), input_signature=[specs, size, size], autograph=False)
    return graph({name: tf.cast(value, tf.float32) for name, value in DESCRIPTION.items()}, HEIGHT, WIDTH)


@pytest.mark.parametrize("in_graph", [False, True])
def test_a_pixel_belongs_to_the_object_that_shows_most_relative_to_its_own_peak(in_graph):
    masks = _called(masks_of_objects, in_graph).numpy()
    fractions = np.stack([_fraction(number) for number in range(3)])
    expected = np.where(fractions.max(0) > 0.5, 1 + fractions.argmax(0), 0)
    assert masks.dtype == np.int32
    np.testing.assert_array_equal(masks[0], expected)
    assert set(np.unique(expected)) == {0, 1, 2, 3}
    assert not masks[1].any()
    np.testing.assert_array_equal(masks[2], np.where(_fraction(1) > 0.5, 2, 0))


@pytest.mark.parametrize("in_graph", [False, True])
def test_boxes_are_tight_around_what_each_object_shows(in_graph):
    boxes = _called(boxes_of_objects, in_graph).numpy()
    expected = np.zeros((3, 5, 4))
    for scene, number in np.argwhere(PRESENCE > 0):
        visible = np.argwhere(_fraction(number) > 0.5) if number < 4 else np.zeros((0, 2))
        edges = [*visible.min(0), *visible.max(0) + 1] if len(visible) else [0, 3, 0, 4]
        expected[scene, number] = np.array(edges) / [HEIGHT, WIDTH, HEIGHT, WIDTH]
    np.testing.assert_allclose(boxes, expected, atol=1e-6)
