import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from tf_scenes.layers.neighborhoods import largest_around


@pytest.mark.parametrize("side", [1, 3, 5, 9, 31])
@pytest.mark.parametrize("shape", [(2, 7, 12, 1), (1, 20, 5, 3)])
def test_values_are_those_of_scipy_and_gradients_those_of_pooling(side, shape):
    random = np.random.RandomState(side)
    # Few different values, so that many are equal.
    maps = tf.constant(random.randint(0, 4, shape) / 4, tf.float32)
    upstream = tf.constant(random.randint(0, 8, shape), tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(maps)
        largest = largest_around(maps, side)
        score = tf.reduce_sum(largest * upstream)
        pooled = tf.reduce_sum(tf.nn.max_pool2d(maps, side, 1, "SAME") * upstream)
    expected = scipy.ndimage.maximum_filter(maps.numpy(), size=(1, side, side, 1), mode="constant", cval=-np.inf)
    np.testing.assert_array_equal(largest, expected)
    np.testing.assert_array_equal(tape.gradient(score, maps), tape.gradient(pooled, maps))


def test_sizes_may_be_unknown_when_traced():
    traced = tf.function(lambda maps: largest_around(maps, 5), input_signature=[tf.TensorSpec([None, None, None, 1])])
    for height, width in ((9, 4), (3, 30)):
        maps = tf.random.stateless_normal([2, height, width, 1], [height, width])
        np.testing.assert_array_equal(traced(maps), tf.nn.max_pool2d(maps, 5, 1, "SAME"))
