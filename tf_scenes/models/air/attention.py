"""Networks that say, step by step, whether there is one more object and where: Discrete-AIR, section 3.3."""

from collections.abc import Sequence
from typing import NamedTuple, Optional

import tensorflow as tf

layers = tf.keras.layers

# Of z_where's posterior; wide enough at first to look around, never so narrow that its KL explodes.
_INITIAL_LOG_STDDEV = -2.0
_LOG_STDDEV_RANGE = (-6.0, 1.0)


class Where(NamedTuple):
    """Parameters of the posterior of z_where: scale (in log-odds), then x and y before their tanh.

    Attributes:
        mean: float32 `[batch, dimensions]`.
        log_stddev: float32 `[batch, dimensions]`.
    """

    mean: tf.Tensor
    log_stddev: tf.Tensor


class Localization(layers.Layer):
    """The recurrent network: difference image and previous latents in, presence and a first guess of z_where out.

    The paper names an LSTM and nothing else. Two convolutions on the halved image stand before it by default: they cost
    less than a dense layer on all pixels and learn positions faster.
    """

    def __init__(self, units: int, where_dim: int, convolutional: bool, name: Optional[str] = None):
        """Creates the network.

        Args:
            units: of the LSTM and of the dense layer before it.
            where_dim: dimensions of z_where.
            convolutional: whether convolutions come first.
            name: of the layer.
        """
        super().__init__(name=name)
        self._features = tf.keras.Sequential(name="features")
        if convolutional:
            self._features.add(layers.AveragePooling2D(2, padding="same"))
            for channels in (24, 32):
                self._features.add(layers.Conv2D(channels, 4, 2, padding="same", activation="relu"))
        self._features.add(layers.Flatten())
        self._features.add(layers.Dense(units, activation="relu"))
        self._cell = layers.LSTMCell(units, name="lstm")
        # Many objects, and in the middle, to begin with: what is never drawn is never learned.
        self._presence = layers.Dense(1, bias_initializer=tf.keras.initializers.Constant(2.0), dtype="float32")
        self._where = _small_head(2 * where_dim, name="where")

    def initial_state(self, batch: tf.Tensor) -> list[tf.Tensor]:
        """The LSTM's state before the first step."""
        return self._cell.get_initial_state(batch_size=batch, dtype=self.compute_dtype)

    def call(
        self, difference: tf.Tensor, latents: tf.Tensor, state: list[tf.Tensor]
    ) -> tuple[tf.Tensor, Where, list[tf.Tensor]]:
        """One step.

        Args:
            difference: float32 `[batch, height, width, channels]`, image less what is on the canvas.
            latents: float32 `[batch, L]`, of the step before.
            state: of the LSTM.

        Returns:
            Log-odds of presence, float32 `[batch]`; z_where's posterior, relative to the prior's mean; the new state.
        """
        inputs = tf.concat([self._features(difference), tf.cast(latents, self.compute_dtype)], axis=-1)
        output, state = self._cell(inputs, state)
        mean, log_stddev = tf.split(self._where(output), 2, axis=-1)
        return self._presence(output)[:, 0], Where(mean, log_stddev + _INITIAL_LOG_STDDEV), state


class Refinement(layers.Layer):
    """A second look: corrects z_where by what a glimpse at the first guess shows.

    A departure from the paper, where one look at the whole image has to be exact to the pixel. In a glimpse the
    correction is the same task wherever the object is, and is learned in a fraction of the steps.
    """

    def __init__(self, units: int, where_dim: int, channels: Sequence[int], name: Optional[str] = None):
        """Creates the network.

        Args:
            units: of the dense layer.
            where_dim: dimensions of z_where, the last two of which are translation.
            channels: see `glimpse_trunk`.
            name: of the layer.
        """
        super().__init__(name=name)
        self._trunk = glimpse_trunk(units, channels)
        self._head = _small_head(2 * where_dim, name="where")

    def call(self, glimpses: tf.Tensor, first: Where, scale: tf.Tensor) -> Where:
        """The corrected posterior.

        Args:
            glimpses: float32 `[batch, size, size, channels]`, at the first guess, with some surroundings.
            first: the first guess.
            scale: float32 `[batch, 2]`, the glimpses' share of the canvas, in which translation is corrected.
        """
        mean, log_stddev = tf.split(self._head(self._trunk(glimpses)), 2, axis=-1)
        correction = tf.concat([mean[:, :-2], mean[:, -2:] * scale], axis=-1)
        return Where(first.mean + correction, tf.clip_by_value(first.log_stddev + log_stddev, *_LOG_STDDEV_RANGE))


def glimpse_trunk(units: int, channels: Sequence[int], normalize: bool = False) -> tf.keras.Sequential:
    """Convolutions and a dense layer: glimpses `[batch, size, size, channels]` -> features `[batch, units]`.

    Args:
        units: of the dense layer.
        channels: of the convolutions, each of which halves the resolution; may be none.
        normalize: whether each layer's outputs are normalised, example by example: a batch's own statistics would mix
            glimpses of objects with those of nothing.
    """
    trunk = tf.keras.Sequential(name="trunk")
    for layer in (
        *(layers.Conv2D(count, 4, 2, padding="same") for count in channels),
        layers.Dense(units),
    ):
        if isinstance(layer, layers.Dense):
            trunk.add(layers.Flatten())
        trunk.add(layer)
        if normalize:
            trunk.add(layers.LayerNormalization(axis=[-1] if isinstance(layer, layers.Dense) else [1, 2, 3]))
        trunk.add(layers.ReLU())
    return trunk


def _small_head(units: int, name: str) -> layers.Dense:
    return layers.Dense(
        units, kernel_initializer=tf.keras.initializers.RandomNormal(stddev=0.01), dtype="float32", name=name
    )
