"""Networks that infer, slot by slot, whether there is another object and where: Discrete-AIR, section 3.3."""

from collections.abc import Sequence
from typing import NamedTuple, Optional

import tensorflow as tf

from tf_scenes.stack import keras

layers = keras.layers

# Log standard deviation of z_where's posterior: at first wide enough to explore, never so narrow that its KL explodes.
_INITIAL_LOG_STDDEV = -2.0
_LOG_STDDEV_RANGE = (-6.0, 1.0)


class Where(NamedTuple):
    """Parameters of the posterior of z_where: of the scale's log-odds, then of x and y before their tanh.

    Attributes:
        mean: Means, float32 `[batch, dimensions]`.
        log_stddev: Logarithms of the standard deviations, float32 `[batch, dimensions]`.
    """

    mean: tf.Tensor
    log_stddev: tf.Tensor


class Located(NamedTuple):
    """What the recurrent network says about a slot.

    Attributes:
        presence_logits: Log-odds of presence, float32 `[batch]`.
        where: First guess of the posterior of z_where, with means relative to the prior's.
        pose_parameters: Parameters of the posterior of rotation and skew, float32 `[batch, parameters]`; None if they
            are inferred elsewhere.
        state: New state of the LSTM.
    """

    presence_logits: tf.Tensor
    where: Where
    pose_parameters: Optional[tf.Tensor]
    state: list[tf.Tensor]


class Localization(layers.Layer):
    """The recurrent network: from difference image and previous latents to presence and a first guess of z_where.

    The paper only mentions an LSTM. By default two convolutions on the image at half resolution precede it: they cost
    less than a dense layer on all pixels and learn positions faster.
    """

    def __init__(
        self, units: int, where_dim: int, convolutional: bool, num_pose_parameters: int = 0, name: Optional[str] = None
    ):
        """Creates the network.

        Args:
            units: Number of units of the LSTM and of the dense layer before it.
            where_dim: Number of dimensions of z_where.
            convolutional: Whether convolutions precede the dense layer.
            num_pose_parameters: Number of parameters of the posterior of rotation and skew; 0 if they are inferred
                elsewhere.
            name: Name of the layer.
        """
        super().__init__(name=name)
        self._features = keras.Sequential(name="features")
        if convolutional:
            self._features.add(layers.AveragePooling2D(2, padding="same"))
            for channels in (24, 32):
                self._features.add(layers.Conv2D(channels, 4, 2, padding="same", activation="relu"))
        self._features.add(layers.Flatten())
        self._features.add(layers.Dense(units, activation="relu"))
        self._cell = layers.LSTMCell(units, name="lstm")
        # At first many objects are present, near the middle: what is never drawn is never learned.
        self._presence = layers.Dense(1, bias_initializer=keras.initializers.Constant(2.0), dtype="float32")
        self._where = _small_head(2 * where_dim, name="where")
        self._pose = _small_head(num_pose_parameters, name="pose") if num_pose_parameters else None

    def initial_state(self, batch: tf.Tensor) -> list[tf.Tensor]:
        """The LSTM's state before the first slot."""
        return self._cell.get_initial_state(batch_size=batch, dtype=self.compute_dtype)

    def call(self, seen: tf.Tensor, latents: tf.Tensor, state: list[tf.Tensor]) -> Located:
        """Infers one slot's presence and a first guess of its z_where.

        Args:
            seen: Image minus canvas, or the image where the canvas does not show anything, float32 `[batch, height,
                width, channels]`.
            latents: Latents of the previous slot, float32 `[batch, L]`.
            state: State of the LSTM.
        """
        inputs = tf.concat([self._features(seen), tf.cast(latents, self.compute_dtype)], axis=-1)
        output, state = self._cell(inputs, state)
        mean, log_stddev = tf.split(self._where(output), 2, axis=-1)
        return Located(
            presence_logits=self._presence(output)[:, 0],
            where=Where(mean, log_stddev + _INITIAL_LOG_STDDEV),
            pose_parameters=None if self._pose is None else self._pose(output),
            state=state,
        )


class Refinement(layers.Layer):
    """The second look: corrects z_where from a glimpse at the first guess.

    A departure from the paper, where one look at the whole image has to be exact to the pixel. Within a glimpse the
    correction is the same task wherever the object is, and is learned in a fraction of the steps.
    """

    def __init__(self, units: int, where_dim: int, channels: Sequence[int], name: Optional[str] = None):
        """Creates the network.

        Args:
            units: Number of units of the dense layer.
            where_dim: Number of dimensions of z_where, the last two of which are the translation.
            channels: Numbers of channels of the convolutions, as for `glimpse_trunk`.
            name: Name of the layer.
        """
        super().__init__(name=name)
        self._trunk = glimpse_trunk(units, channels)
        self._head = _small_head(2 * where_dim, name="where")

    def call(self, glimpses: tf.Tensor, first: Where, scale: tf.Tensor) -> Where:
        """Corrects the posterior of z_where.

        Args:
            glimpses: Glimpses at the first guess and its surroundings, float32 `[batch, size, size, channels]`.
            first: First guess.
            scale: Sides of the glimpses as fractions of the canvas, x then y, float32 `[batch, 2]`; the unit in which
                the translation is corrected.

        Returns:
            The corrected posterior.
        """
        mean, log_stddev = tf.split(self._head(self._trunk(glimpses)), 2, axis=-1)
        correction = tf.concat([mean[:, :-2], mean[:, -2:] * scale], axis=-1)
        return Where(first.mean + correction, tf.clip_by_value(first.log_stddev + log_stddev, *_LOG_STDDEV_RANGE))


def glimpse_trunk(units: int, channels: Sequence[int], normalize: bool = False) -> keras.Sequential:
    """Convolutions and a dense layer: glimpses `[batch, size, size, channels]` -> features `[batch, units]`.

    Args:
        units: Number of units of the dense layer.
        channels: Numbers of channels of the convolutions, each of which halves the resolution; may be empty.
        normalize: Whether each layer's outputs are normalised, separately for each glimpse: batch statistics would mix
            glimpses of objects with empty ones.
    """

    def activated(layer: layers.Layer, axes: list[int]) -> list[layers.Layer]:
        return [layer, *([layers.LayerNormalization(axis=axes)] if normalize else []), layers.ReLU()]

    stages = [activated(layers.Conv2D(count, 4, 2, padding="same"), [1, 2, 3]) for count in channels]
    stages += [[layers.Flatten()], activated(layers.Dense(units), [-1])]
    return keras.Sequential([layer for stage in stages for layer in stage], name="trunk")


def _small_head(units: int, name: str) -> layers.Dense:
    return layers.Dense(
        units, kernel_initializer=keras.initializers.RandomNormal(stddev=0.01), dtype="float32", name=name
    )
