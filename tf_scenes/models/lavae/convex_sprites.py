"""A decoder from an object's appearance to a convex sprite. Not in the paper."""

from typing import Optional

import numpy as np
import tensorflow as tf

from tf_scenes.stack import keras

layers = keras.layers

# Directions in which the edge of an object has a distance from the middle.
_DIRECTIONS = 12
# Pixels over which two edges are rounded where they meet.
_ROUNDING = 0.7
# Side of the grid of brightnesses inside an object: coarser than a gap between two objects.
_TEXTURE_SIDE = 4
_HIDDEN_UNITS = 64


class ConvexSprites(layers.Layer):
    """From an appearance vector to a sprite that is convex and smooth inside.

    The sprite is the product of a shape and a texture. The shape is the intersection of half planes with learned
    distances from the middle, each with a soft edge, so it is convex; the texture is interpolated between the points of
    a coarse grid. Such a sprite cannot show two objects side by side with a gap or a notch between them, which the free
    drawings of a convolutional network can: so the likelihood asks for a sprite for each.

    The distances are a support function; without its first harmonic, the shape's Steiner point is the sprite's middle.
    So an object's location is its middle, and the frame has room for the largest object on all sides.
    """

    def __init__(self, sprite_size: int, sprite_channels: int, name: Optional[str] = None):
        """Creates the layer.

        Args:
            sprite_size: Side of a sprite in pixels, odd.
            sprite_channels: Number of channels of a sprite.
            name: Name of the layer.
        """
        super().__init__(name=name, dtype="float32")
        self._size, self._channels = sprite_size, sprite_channels
        middle = sprite_size // 2
        y, x = np.mgrid[:sprite_size, :sprite_size].astype(np.float32) - middle
        angles = 2.0 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
        directions = np.stack([np.sin(angles), np.cos(angles)])  # [2, directions], y then x
        self._along = np.tensordot(np.stack([y, x], axis=-1), directions, axes=1).astype(np.float32)
        # Takes the first harmonic from a function of the direction: [directions, directions].
        harmonic = 2.0 / _DIRECTIONS * directions.T @ directions
        self._centering = (np.eye(_DIRECTIONS) - harmonic).astype(np.float32)
        self._hidden = layers.Dense(_HIDDEN_UNITS, activation="elu", dtype="float32", name="hidden")
        self._distances = layers.Dense(
            _DIRECTIONS,
            # A third of the way from the middle to the frame.
            bias_initializer=keras.initializers.Constant(middle / 3.0),
            dtype="float32",
            name="distances",
        )
        self._sharpness = layers.Dense(1, dtype="float32", name="sharpness")
        self._texture = layers.Dense(_TEXTURE_SIDE**2 * sprite_channels, dtype="float32", name="texture")

    def call(self, appearance: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Generates sprites: `[batch, D]` -> float32 `[batch, sprite_size, sprite_size, sprite_channels]` in (0, 1)."""
        hidden = self._hidden(appearance)
        # How far each pixel is inside each half plane, in pixels: [batch, size, size, directions].
        distances = self._distances(hidden) @ self._centering
        inside = distances[:, None, None] - self._along
        depth = -_ROUNDING * tf.reduce_logsumexp(-inside / _ROUNDING, axis=-1, keepdims=True)
        sharpness = tf.nn.softplus(self._sharpness(hidden))[:, None, None]
        texture = tf.reshape(self._texture(hidden), [-1, _TEXTURE_SIDE, _TEXTURE_SIDE, self._channels])
        texture = tf.image.resize(texture, [self._size, self._size])
        return tf.sigmoid(texture) * tf.sigmoid(sharpness * depth)
