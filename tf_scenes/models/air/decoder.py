"""What an object looks like to AIR: f_dec(z_what)."""

import math
from typing import Callable, Optional

import numpy as np
import tensorflow as tf

layers = tf.keras.layers


class ObjectDecoder(layers.Layer):
    """AIR's f_dec(z_what): a hidden layer, then pixels."""

    def __init__(self, glimpse_size: int, channels: int, units: int = 256, name: Optional[str] = None):
        """Creates the decoder.

        Args:
            glimpse_size: side of the image, pixels.
            channels: of the image.
            units: of the hidden layer.
            name: of the layer.
        """
        super().__init__(name=name)
        self._image_shape = (glimpse_size, glimpse_size, channels)
        self._hidden = layers.Dense(units, activation="relu", name="hidden")
        self._pixels = layers.Dense(
            math.prod(self._image_shape), bias_initializer=blob(*self._image_shape), dtype="float32", name="pixels"
        )

    def call(self, what: tf.Tensor) -> tf.Tensor:
        """`[batch, D]` -> float32 `[batch, size, size, channels]` in (0, 1)."""
        return tf.sigmoid(tf.reshape(self._pixels(self._hidden(what)), (-1, *self._image_shape)))


def blob(size: int, _: int, channels: int) -> Callable[..., tf.Tensor]:
    """An initialiser of biases: the logits of a blob. What begins with a middle and an edge gives positions a gradient.

    Args:
        size: side of the image, pixels.
        channels: of the image.
    """
    x = np.linspace(-1.0, 1.0, size)
    logits = 1.0 - 3.0 * (x[:, None] ** 2 + x[None, :] ** 2)
    values = np.repeat(logits[..., None], channels, axis=-1).astype(np.float32).ravel()
    return lambda shape, dtype=None: tf.reshape(tf.constant(values, dtype or tf.float32), shape)
