"""The spatial transformer: reads and writes glimpses of a canvas, differentiably in the image and the transform."""

from typing import Optional

import tensorflow as tf

from tf_scenes.layers import addons, image_ops
from tf_scenes.layers.affine import Affine
from tf_scenes.stack import keras


class SpatialTransformer(keras.layers.Layer):
    """Reads and writes glimpses through affine maps by bilinear interpolation; pixels outside an image count as 0.

    Addons' `resampler` is fast and has a gradient for the transform, but is a custom op that a standard TensorFlow
    Serving lacks. `image_ops.resampler` gives the same results by TensorFlow's own operations.
    """

    def __init__(self, glimpse_size: int, name: Optional[str] = None):
        """Creates the layer, which has no weights.

        Args:
            glimpse_size: Side of the square glimpses in pixels.
            name: Name of the layer.
        """
        # In half precision, coordinates would be wrong by up to whole pixels.
        super().__init__(name=name, dtype="float32")
        self.glimpse_size = glimpse_size

    def read(self, images: tf.Tensor, transform: Affine, core_ops_only: bool = False) -> tf.Tensor:
        """Reads one glimpse from each canvas: the part that `transform` maps the glimpse to.

        Args:
            images: Canvases, float32 `[batch, height, width, channels]`.
            transform: Map from glimpse to canvas, one for each image.
            core_ops_only: Whether to avoid custom ops, as exported models must.

        Returns:
            Glimpses, float32 `[batch, glimpse_size, glimpse_size, channels]`.
        """
        with tf.name_scope(self.name):  # Keras names only the ops of `call`; profiles should show these too.
            return _sample(images, transform, self.glimpse_size, self.glimpse_size, core_ops_only)

    def write(
        self, glimpses: tf.Tensor, transform: Affine, height: tf.Tensor, width: tf.Tensor, core_ops_only: bool = False
    ) -> tf.Tensor:
        """Draws each glimpse on an empty canvas, at the place that `transform` maps it to.

        Args:
            glimpses: Glimpses, float32 `[batch, h, w, channels]`.
            transform: Map from glimpse to canvas, one for each glimpse.
            height: Height of the canvas in pixels, scalar int32.
            width: Width of the canvas in pixels, scalar int32.
            core_ops_only: Whether to avoid custom ops, as exported models must.

        Returns:
            Canvases, float32 `[batch, height, width, channels]`.
        """
        with tf.name_scope(self.name):
            return _sample(glimpses, transform.inverse(), height, width, core_ops_only)


def pixel_centers(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Coordinates of the middles of all pixels, row by row: float32 `[height * width, 2]`, x then y, from -1 to 1."""
    x, y = tf.meshgrid(_centers(width), _centers(height))
    return tf.stack([tf.reshape(x, [-1]), tf.reshape(y, [-1])], axis=-1)


def _centers(size: tf.Tensor) -> tf.Tensor:
    return (2.0 * tf.range(tf.cast(size, tf.float32)) + 1.0) / tf.cast(size, tf.float32) - 1.0


def _sample(
    images: tf.Tensor, transform: Affine, height: tf.Tensor, width: tf.Tensor, core_ops_only: bool
) -> tf.Tensor:
    """Samples images on a grid of `height` x `width` pixels, whose coordinates `transform` maps to the images'."""
    batch, image_height, image_width, channels = tf.unstack(tf.shape(images))
    to_pixels = transform.to_pixels(image_height, image_width)
    pixels = to_pixels.apply(pixel_centers(height, width))  # [batch, height * width, 2], x then y
    resampler = image_ops.resampler if core_ops_only else addons.resampler
    sampled = tf.reshape(resampler(images, pixels), [batch, height, width, channels])
    return tf.ensure_shape(sampled, [None, None, None, images.shape[-1]])
