import numpy as np
import tensorflow as tf

from tf_scenes.layers.residual import ResidualBlock


def test_a_residual_block_with_no_weights_is_the_identity():
    block = ResidualBlock(3)
    inputs = np.random.RandomState(0).normal(size=(2, 5, 5, 3)).astype(np.float32)
    block(inputs)
    for variable in block.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    np.testing.assert_allclose(block(inputs), inputs)
