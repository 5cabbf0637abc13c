"""NVIL's learned baseline (Mnih and Gregor, 2014) for the presence of objects, as used by AIR."""

from typing import Optional

import tensorflow as tf

from tf_scenes.stack import keras

layers = keras.layers

# Decay rate of the running mean and variance of costs.
_DECAY = 0.9


class PresenceBaseline(layers.Layer):
    """Predicts the cost from a slot on, so that presence is only credited with being better or worse than expected.

    The network's output is in units of the costs' running standard deviation, around their running mean, both of which
    depend on the data alone. (In units of the advantages' standard deviation, an overshooting network would enlarge its
    own unit without end.)
    """

    def __init__(self, units: int = 256, name: Optional[str] = None):
        """Creates the network.

        Args:
            units: Number of units of the hidden layer.
            name: Name of the layer.
        """
        super().__init__(name=name, dtype="float32")  # Costs are hundreds of nats, but differ by a few.
        self._network = keras.Sequential(
            [layers.Dense(units, activation="relu", dtype="float32"), layers.Dense(1, dtype="float32")], name="network"
        )
        running = {"shape": [], "trainable": False, "aggregation": tf.VariableAggregation.MEAN}
        self._mean = self.add_weight(name="mean", initializer="zeros", **running)
        self._variance = self.add_weight(name="variance", initializer="ones", **running)

    def call(self, images: tf.Tensor, state: tf.Tensor, slot: int) -> tf.Tensor:
        """Predicts the cost.

        Args:
            images: Images, float32 `[batch, height, width, channels]`.
            state: State of the recurrent network, float32 `[batch, units]`; the caller must stop its gradient.
            slot: Index of the slot, from 0.

        Returns:
            The expected cost from this slot on, float32 `[batch]`, in nats.
        """
        pooled = tf.reshape(tf.nn.avg_pool2d(images, 4, 4, "SAME"), [tf.shape(images)[0], -1])
        index = tf.fill([tf.shape(images)[0], 1], tf.cast(slot, pooled.dtype))
        inputs = tf.concat([pooled, tf.cast(state, pooled.dtype), index], axis=-1)
        inputs = tf.ensure_shape(inputs, [None, _num_pooled_values(images) + state.shape[-1] + 1])
        return self._network(inputs)[:, 0] * _stddev_at_least_1(self._variance) + self._mean

    def loss(self, cost: tf.Tensor, baseline: tf.Tensor) -> tf.Tensor:
        """Squared error of the prediction in units of the costs' variance, `[batch]`; updates the running statistics.

        Args:
            cost: Actual costs, float32 `[batch]`, in nats.
            baseline: Predicted costs, as returned by `call`.
        """
        _update_running_mean(self._mean, cost)
        _update_running_mean(self._variance, tf.square(cost - self._mean))
        return 0.5 * tf.square((cost - baseline) / _stddev_at_least_1(self._variance))


def _update_running_mean(running_mean: tf.Variable, values: tf.Tensor) -> None:
    running_mean.assign(_DECAY * running_mean + (1.0 - _DECAY) * tf.reduce_mean(values))


def _stddev_at_least_1(variance: tf.Tensor) -> tf.Tensor:
    """The standard deviation of that variance, or 1 if it is less."""
    return tf.maximum(1.0, tf.sqrt(variance))


def _num_pooled_values(images: tf.Tensor) -> int:
    height, width, channels = images.shape[1:]
    return -(-height // 4) * -(-width // 4) * channels
