"""What is computed for the slots in use alone."""

import numpy as np
import tensorflow as tf

from tf_scenes.models.lavae.slots import among_all, compute_in_use

PRESENT = np.array([[True, False, True], [False, False, False], [False, True, True]])


def _flat_sprites(appearance):
    return tf.tile(appearance[:, :1, None, None], [1, 3, 5, 1])


def test_sprites_are_those_of_present_objects():
    appearance = np.arange(3 * 3 * 2, dtype=np.float32).reshape(3, 3, 2)
    slots, sprites = compute_in_use(_flat_sprites, tf.constant(PRESENT), tf.constant(appearance))
    np.testing.assert_array_equal(slots, np.argwhere(PRESENT))
    np.testing.assert_array_equal(sprites, np.broadcast_to(appearance[PRESENT][:, :1, None, None], [4, 3, 5, 1]))
    among = among_all(slots, sprites, tf.shape(PRESENT)).numpy()
    expected = np.where(PRESENT, appearance[..., 0], 0.0)[..., None, None, None]
    np.testing.assert_array_equal(among, np.broadcast_to(expected, [3, 3, 3, 5, 1]))


def test_without_any_object_there_are_no_sprites():
    nothing = tf.zeros([2, 3], tf.bool)
    slots, sprites = compute_in_use(_flat_sprites, nothing, tf.zeros([2, 3, 4]))
    assert (slots.shape, sprites.shape) == ((0, 2), (0, 3, 5, 1))
    np.testing.assert_array_equal(among_all(slots, sprites, tf.shape(nothing)), np.zeros([2, 3, 3, 5, 1]))


def test_shapes_that_are_known_stay_known():
    @tf.function(input_signature=(tf.TensorSpec([None, 5], tf.bool), tf.TensorSpec([None, 7, 3])))
    def known(present, values):
        result = among_all(tf.where(present), values, tf.shape(present))
        assert result.shape.as_list() == [None, 5, 7, 3]
        return result

    known.get_concrete_function()
