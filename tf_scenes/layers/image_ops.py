"""Image operations of TensorFlow Addons from TensorFlow's own ones, for Python versions that Addons does not have."""

from collections.abc import Sequence
from typing import Union

import tensorflow as tf


def gaussian_filter2d(
    image: tf.Tensor, filter_shape: Union[int, Sequence[int]], sigma: Union[float, Sequence[float]], padding: str
) -> tf.Tensor:
    """Blurs images, as `tfa.image.gaussian_filter2d` does.

    Args:
        image: Images, float `[batch, height, width, channels]`.
        filter_shape: Height and width of the kernel in pixels, or its side.
        sigma: Standard deviations along height and width in pixels, or one for both.
        padding: What lies outside of an image, as for `tf.pad`: `CONSTANT` (0), `REFLECT` or `SYMMETRIC`.

    Returns:
        Blurred images of the same shape and dtype.
    """
    sizes, deviations = (tf.broadcast_to(value, [2]) for value in (filter_shape, tf.cast(sigma, image.dtype)))
    channels = tf.shape(image)[-1]
    before = (sizes - 1) // 2
    after = sizes - 1 - before
    padded = tf.pad(image, tf.stack([[0, 0], [before[0], after[0]], [before[1], after[1]], [0, 0]]), padding)
    for axis in range(2):
        kernel = tf.reshape(_gaussian(sizes[axis], deviations[axis]), [-1, 1, 1, 1])
        kernel = tf.tile(kernel if axis == 0 else tf.transpose(kernel, [1, 0, 2, 3]), [1, 1, channels, 1])
        padded = tf.nn.depthwise_conv2d(padded, kernel, [1, 1, 1, 1], "VALID")
    return tf.ensure_shape(padded, image.shape)


def _gaussian(size: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    distances = tf.cast(tf.range(-(size // 2) + 1 - size % 2, size // 2 + 1), sigma.dtype)
    return tf.nn.softmax(-0.5 * tf.square(distances / sigma))


def interpolate_bilinear(grid: tf.Tensor, query_points: tf.Tensor) -> tf.Tensor:
    """Values between pixels, as `tfa.image.interpolate_bilinear(..., indexing="xy")` has them.

    Args:
        grid: Images, float32 `[batch, height, width, channels]`, at least two pixels high and wide.
        query_points: x and y in pixels, float32 `[batch, points, 2]`; 0 is the middle of the first pixel. Outside of
            an image are the values of its edge.

    Returns:
        Values, float32 `[batch, points, channels]`.
    """
    batch, height, width, channels = tf.unstack(tf.shape(grid))
    largest = tf.cast(tf.stack([width, height]) - 2, grid.dtype)
    floors = tf.clip_by_value(tf.floor(query_points), 0.0, largest)
    fractions = tf.clip_by_value(query_points - floors, 0.0, 1.0)
    x, y = tf.unstack(tf.cast(floors, tf.int32), axis=-1)  # [batch, points]
    first = (tf.range(batch)[:, None] * height + y) * width + x
    corners = tf.stack([first, first + 1, first + width, first + width + 1])
    # One gather, whose gradient is one scattered sum.
    values = tf.gather(tf.reshape(grid, [-1, channels]), corners)  # [4, batch, points, channels]
    upper_left, upper_right, lower_left, lower_right = tf.unstack(values)
    right, down = fractions[..., :1], fractions[..., 1:]
    # Differences are weighted, not values, so that what is constant stays so to the bit.
    upper = upper_left + right * (upper_right - upper_left)
    lower = lower_left + right * (lower_right - lower_left)
    return upper + down * (lower - upper)


def resampler(data: tf.Tensor, warp: tf.Tensor) -> tf.Tensor:
    """Values between pixels, as `tfa.image.resampler` has them: pixels outside of an image count as 0.

    Args:
        data: Images, float32 `[batch, height, width, channels]`.
        warp: x and y in pixels, float32 `[batch, points, 2]`.

    Returns:
        Values, float32 `[batch, points, channels]`.
    """
    size = tf.cast(tf.shape(data)[2:0:-1], data.dtype)  # Width, then height.
    padded = tf.pad(data, [[0, 0], [1, 1], [1, 1], [0, 0]])
    # Beyond the border of zeros nothing changes, and huge coordinates would overflow the integers they are cast to.
    return interpolate_bilinear(padded, tf.clip_by_value(warp, -1.0, size) + 1.0)
