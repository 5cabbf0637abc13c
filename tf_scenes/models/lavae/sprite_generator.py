"""The decoder from an object's appearance to its sprite: LAVAE, Appendix B."""

from typing import Optional

import tensorflow as tf

from tf_scenes.layers.residual import ConvUnit, ResidualBlock
from tf_scenes.stack import keras

layers = keras.layers


class SpriteGenerator(layers.Layer):
    """From an appearance vector to a sprite.

    A dense and a convolutional layer, bilinear interpolation to the sprite's size, concatenation of the vector at every
    pixel, residual blocks, and a last convolution with a sigmoid.
    """

    def __init__(
        self,
        sprite_size: int,
        sprite_channels: int,
        channels: int,
        num_blocks: int = 3,
        seed_size: int = 7,
        name: Optional[str] = None,
    ):
        """Creates the generator.

        Args:
            sprite_size: Side of a sprite in pixels, odd.
            sprite_channels: Number of channels of a sprite.
            channels: Number of channels of the inner layers.
            num_blocks: Number of residual blocks, each of two convolutions.
            seed_size: Side in pixels of the feature map that the dense layer produces.
            name: Name of the layer.
        """
        super().__init__(name=name)
        self._sprite_size = sprite_size
        self._seed_shape = (seed_size, seed_size, channels)
        self._dense = layers.Dense(seed_size**2 * channels)
        self._seed_unit = ConvUnit(channels, name="seed")
        self._merge = ConvUnit(channels, name="merge")
        self._blocks = [
            ResidualBlock(channels, normalize=i < num_blocks - 1, name=f"block_{i}") for i in range(num_blocks)
        ]
        self._out = layers.Conv2D(
            sprite_channels,
            3,
            padding="same",
            # Sprites are mostly dark, and should be so from the start.
            bias_initializer=keras.initializers.Constant(-2.0),
            dtype="float32",
            name="out",
        )

    def call(self, appearance: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Generates sprites: `[batch, D]` -> float32 `[batch, sprite_size, sprite_size, sprite_channels]` in (0, 1)."""
        features = tf.reshape(self._dense(appearance), (-1, *self._seed_shape))
        features = self._seed_unit(features, training=training)
        size = self._sprite_size
        features = tf.cast(tf.image.resize(features, [size, size]), features.dtype)
        everywhere = tf.tile(tf.cast(appearance, features.dtype)[:, None, None], [1, size, size, 1])
        features = self._merge(tf.concat([features, everywhere], axis=-1), training=training)
        for block in self._blocks:
            features = block(features, training=training)
        return tf.nn.sigmoid(self._out(features))
