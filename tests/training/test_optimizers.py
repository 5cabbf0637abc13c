"""The fused optimisers against Keras's own, and against one step by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tf_scenes.training import optimizers


@pytest.mark.parametrize("name", ["Adam", "Adamax"])
def test_updates_are_those_of_keras(name):
    random = np.random.RandomState(0)
    start = [random.randn(3, 4).astype(np.float32), random.randn(5).astype(np.float32)]
    schedule = tf.keras.optimizers.schedules.PolynomialDecay(0.1, 20, 0.01)
    pairs = []
    for module in (optimizers, tf.keras.optimizers):
        optimizer = getattr(module, name)(schedule, global_clipnorm=1.0)
        variables = [tf.Variable(value) for value in start]
        optimizer.build(variables)
        pairs.append((optimizer, variables))
    for _ in range(20):
        gradients = [tf.constant(random.randn(*value.shape), tf.float32) for value in start]
        for optimizer, variables in pairs:
            optimizer.apply_gradients(zip(gradients, variables))
    (ours, fused), (keras, plain) = pairs
    # The kernels round 1 - beta_2 to float32.
    for one, other in zip([*fused, *ours.variables], [*plain, *keras.variables]):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["Adam", "Adamax"])
def test_first_step_is_the_learning_rate_against_the_gradients_sign(name):
    optimizer, variable = getattr(optimizers, name)(0.5), tf.Variable([1.0, 1.0, 1.0])
    optimizer.apply_gradients([(tf.constant([3.0, -20.0, 1e-3]), variable)])
    np.testing.assert_allclose(variable, [0.5, 1.5, 0.5], rtol=5e-3)
