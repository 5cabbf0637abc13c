"""What lies around each pixel."""

import tensorflow as tf


def largest_around(maps: tf.Tensor, side: int) -> tf.Tensor:
    """The largest value in the square around each pixel, as far as it is in the image.

    Pooling along rows and then along columns reads 2 `side` values for each pixel, not `side`^2. In this order it gives
    of equal values the first one in row-major order the gradient, as pooling of whole squares does.

    Args:
        maps: Maps, float `[batch, height, width, channels]`.
        side: Side of the square in pixels, odd.
    """
    rows = tf.nn.max_pool2d(maps, [1, side], 1, "SAME")
    return tf.nn.max_pool2d(rows, [side, 1], 1, "SAME")
