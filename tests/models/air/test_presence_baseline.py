import numpy as np
import tensorflow as tf

from tf_scenes.models.air.presence_baseline import PresenceBaseline
from tf_scenes.stack import keras


def test_an_overshooting_network_comes_back_to_what_can_be_predicted():
    """Costs of a known part, by image, and noise; the network begins far above all of them."""
    keras.utils.set_random_seed(0)
    baseline = PresenceBaseline(units=64)
    random = np.random.RandomState(0)
    baseline(tf.zeros([1, 8, 8, 1]), tf.zeros([1, 2]), 0)
    last = baseline._network.layers[-1]
    last.kernel.assign(30.0 * last.kernel)
    optimizer = keras.optimizers.Adam(1e-3)

    @tf.function
    def step(images, cost):
        with tf.GradientTape() as tape:
            prediction = baseline(images, tf.zeros([64, 2]), 0)
            loss = tf.reduce_mean(baseline.loss(cost, prediction))
        variables = baseline.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return cost - prediction

    errors = []
    for _ in range(3_000):
        quarters = random.normal(size=(64, 2, 2, 1)).astype(np.float32)
        images = quarters.repeat(4, axis=1).repeat(4, axis=2)
        predictable = 30.0 * quarters[:, 0, 0, 0]
        cost = (predictable + random.normal(scale=5.0, size=64) - 300.0).astype(np.float32)
        errors.append(step(tf.constant(images), tf.constant(cost)))
    assert max(np.std(error) for error in errors[:20]) > 100.0
    # What is left is little more than the noise.
    assert np.sqrt(np.mean(np.square(errors[-100:]))) < 8.0
