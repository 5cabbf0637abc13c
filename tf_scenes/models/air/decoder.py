"""AIR's decoder of an object's appearance: f_dec(z_what)."""

import math
from typing import Callable, Optional

import numpy as np
import tensorflow as tf

from tf_scenes.stack import keras

layers = keras.layers


class ObjectDecoder(layers.Layer):
    """AIR's f_dec(z_what): from appearance to pixels by one hidden layer."""

    def __init__(self, glimpse_size: int, channels: int, units: int = 256, name: Optional[str] = None):
        """Creates the decoder.

        Args:
            glimpse_size: Side of the image in pixels.
            channels: Number of channels of the image.
            units: Number of units of the hidden layer.
            name: Name of the layer.
        """
        super().__init__(name=name)
        self._image_shape = (glimpse_size, glimpse_size, channels)
        self._hidden = layers.Dense(units, activation="relu", name="hidden")
        self._pixels = layers.Dense(
            math.prod(self._image_shape), bias_initializer=blob(*self._image_shape), dtype="float32", name="pixels"
        )

    def call(self, what: tf.Tensor) -> tf.Tensor:
        """Decodes appearances: `[batch, D]` -> float32 `[batch, size, size, channels]` in (0, 1)."""
        return tf.sigmoid(tf.reshape(self._pixels(self._hidden(what)), (-1, *self._image_shape)))


def blob(size: int, _: int, channels: int) -> Callable[..., tf.Tensor]:
    """Initialiser of biases: the logits of a blob, whose bright middle and dark edge give positions a gradient at once.

    Args:
        size: Side of the image in pixels.
        channels: Number of channels of the image.
    """
    x = np.linspace(-1.0, 1.0, size)
    logits = 1.0 - 3.0 * (x[:, None] ** 2 + x[None, :] ** 2)
    values = np.repeat(logits[..., None], channels, axis=-1).astype(np.float32).ravel()
    return lambda shape, dtype=None: tf.reshape(tf.constant(values, dtype or tf.float32), shape)
