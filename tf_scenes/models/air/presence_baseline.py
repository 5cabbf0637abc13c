"""NVIL's learned baseline for the presence of objects (Mnih and Gregor, 2014), as AIR uses it."""

from typing import Optional

import tensorflow as tf

layers = tf.keras.layers

_DECAY = 0.9


class PresenceBaseline(layers.Layer):
    """Predicts the cost of what follows a step, so that only what is better or worse than expected counts.

    The network's output is in units of the costs' running standard deviation, around their running mean: both are
    given by the data. (In units of the advantages', an overshooting network enlarges its own unit without end.)
    """

    def __init__(self, units: int = 256, name: Optional[str] = None):
        """Creates the network.

        Args:
            units: of the hidden layer.
            name: of the layer.
        """
        super().__init__(name=name, dtype="float32")  # Costs are hundreds of nats, their differences a few.
        self._network = tf.keras.Sequential(
            [layers.Dense(units, activation="relu", dtype="float32"), layers.Dense(1, dtype="float32")], name="network"
        )
        running = {"shape": [], "trainable": False, "aggregation": tf.VariableAggregation.MEAN}
        self._mean = self.add_weight(name="mean", initializer="zeros", **running)
        self._variance = self.add_weight(name="variance", initializer="ones", **running)

    def call(self, images: tf.Tensor, state: tf.Tensor, step: int) -> tf.Tensor:
        """The expected cost.

        Args:
            images: float32 `[batch, height, width, channels]`.
            state: float32 `[batch, units]`, of the recurrent network; no gradient should reach it.
            step: number of the step.

        Returns:
            float32 `[batch]`, nats.
        """
        pooled = tf.reshape(tf.nn.avg_pool2d(images, 4, 4, "SAME"), [tf.shape(images)[0], -1])
        number = tf.fill([tf.shape(images)[0], 1], tf.cast(step, pooled.dtype))
        inputs = tf.concat([pooled, tf.cast(state, pooled.dtype), number], axis=-1)
        inputs = tf.ensure_shape(inputs, [None, _width(images) + state.shape[-1] + 1])
        return self._network(inputs)[:, 0] * _at_least_1(self._variance) + self._mean

    def loss(self, cost: tf.Tensor, baseline: tf.Tensor) -> tf.Tensor:
        """Squared error of the prediction, in units of the costs' variance: `[batch]`."""
        _follow(self._mean, cost)
        _follow(self._variance, tf.square(cost - self._mean))
        return 0.5 * tf.square((cost - baseline) / _at_least_1(self._variance))


def _follow(running_mean: tf.Variable, values: tf.Tensor) -> None:
    running_mean.assign(_DECAY * running_mean + (1.0 - _DECAY) * tf.reduce_mean(values))


def _at_least_1(variance: tf.Tensor) -> tf.Tensor:
    """The standard deviation, or 1 where it is less."""
    return tf.maximum(1.0, tf.sqrt(variance))


def _width(images: tf.Tensor) -> int:
    height, width, channels = images.shape[1:]
    return -(-height // 4) * -(-width // 4) * channels
