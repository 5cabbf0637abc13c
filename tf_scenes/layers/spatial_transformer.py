"""The spatial transformer: glimpses read from a canvas and written to it, differentiable in image and transform."""

from typing import Optional

import tensorflow as tf

from tf_scenes.layers import addons
from tf_scenes.layers.affine import Affine


class SpatialTransformer(tf.keras.layers.Layer):
    """Reads and writes glimpses through affine maps, bilinearly; what lies outside an image is 0.

    Addons has two bilinear samplers with a gradient to the transform. `resampler` is the faster one, but a custom op
    that a stock TensorFlow Serving does not have; `interpolate_bilinear` is made of core ops. Both give the same here.
    """

    def __init__(self, glimpse_size: int, name: Optional[str] = None):
        """Creates the layer, which has no weights.

        Args:
            glimpse_size: side of a glimpse, pixels.
            name: of the layer.
        """
        # Half-precision coordinates would move samples by whole pixels.
        super().__init__(name=name, dtype="float32")
        self.glimpse_size = glimpse_size

    def read(self, images: tf.Tensor, transform: Affine, core_ops_only: bool = False) -> tf.Tensor:
        """Attends: what the glimpse frame, put on the canvas by `transform`, covers.

        Args:
            images: float32 `[batch, height, width, channels]`.
            transform: from glimpse to canvas, one for each image.
            core_ops_only: whether the graph must be free of custom ops, as an exported one.

        Returns:
            float32 `[batch, glimpse_size, glimpse_size, channels]`.
        """
        with tf.name_scope(self.name):  # For profiles.
            return _sample(images, transform, self.glimpse_size, self.glimpse_size, core_ops_only)

    def write(
        self, glimpses: tf.Tensor, transform: Affine, height: tf.Tensor, width: tf.Tensor, core_ops_only: bool = False
    ) -> tf.Tensor:
        """Draws: an empty canvas with the glimpse put on it by `transform`.

        Args:
            glimpses: float32 `[batch, h, w, channels]`.
            transform: from glimpse to canvas, one for each glimpse.
            height: of the canvas, pixels, int32 scalar.
            width: of the canvas, pixels, int32 scalar.
            core_ops_only: as in `read`.

        Returns:
            float32 `[batch, height, width, channels]`.
        """
        with tf.name_scope(self.name):
            return _sample(glimpses, transform.inverse(), height, width, core_ops_only)


def pixel_centers(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Coordinates of all pixels' middles, row by row: float32 `[height * width, 2]`, x then y, from -1 to 1."""
    x, y = tf.meshgrid(_centers(width), _centers(height))
    return tf.stack([tf.reshape(x, [-1]), tf.reshape(y, [-1])], axis=-1)


def _centers(size: tf.Tensor) -> tf.Tensor:
    return (2.0 * tf.range(tf.cast(size, tf.float32)) + 1.0) / tf.cast(size, tf.float32) - 1.0


def _sample(
    images: tf.Tensor, transform: Affine, height: tf.Tensor, width: tf.Tensor, core_ops_only: bool
) -> tf.Tensor:
    """Images as seen on a grid of `height` x `width` whose coordinates `transform` takes to the images' own."""
    batch, image_height, image_width, channels = tf.unstack(tf.shape(images))
    to_pixels = transform.to_pixels(image_height, image_width)
    pixels = to_pixels.apply(pixel_centers(height, width))  # [batch, height * width, 2], x then y
    if core_ops_only:
        # This one repeats the edge outside: an edge of zeros makes that 0. Huge coordinates would overflow an integer.
        image_size = tf.cast(tf.stack([image_width, image_height]), tf.float32)
        padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
        values = addons.interpolate_bilinear(padded, tf.clip_by_value(pixels, -1.0, image_size) + 1.0, indexing="xy")
    else:
        values = addons.resampler(images, pixels)
    sampled = tf.reshape(values, [batch, height, width, channels])
    return tf.ensure_shape(sampled, [None, None, None, images.shape[-1]])
