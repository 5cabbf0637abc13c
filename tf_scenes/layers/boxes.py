"""Boxes around objects: ymin, xmin, ymax and xmax as shares of the canvas, as TensorFlow's image ops have them."""

import tensorflow as tf


def boxes_of_sprites(centers: tf.Tensor, sprites: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Boxes around the pixels that placed sprites show: those above one half in any channel.

    Args:
        centers: int32 `[sprites, 2]`, y then x, the pixel of each sprite's middle.
        sprites: float32 `[sprites, h, w, channels]`, h and w odd.
        height: of the canvas, pixels, scalar int32.
        width: of the canvas, pixels, scalar int32.

    Returns:
        float32 `[sprites, 4]`, within [0, 1]; the middle pixel's, where a sprite shows none.
    """
    shown = tf.reduce_any(sprites > 0.5, axis=-1)  # [sprites, h, w]
    edges = [_first_and_last(tf.reduce_any(shown, axis=axis), centers[:, number]) for number, axis in ((0, 2), (1, 1))]
    (top, bottom), (left, right) = edges
    return _as_shares(tf.stack([top, left, bottom, right], axis=-1), height, width)


def boxes_of_corners(corners: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Upright boxes around oriented ones.

    Args:
        corners: float32 `[..., 4, 2]`, y then x, pixels, where 0 is the middle of the first pixel.
        height: of the canvas, pixels, scalar int32.
        width: of the canvas, pixels, scalar int32.

    Returns:
        float32 `[..., 4]`, within [0, 1].
    """
    edges = corners + 0.5
    return _as_shares(tf.concat([tf.reduce_min(edges, -2), tf.reduce_max(edges, -2)], axis=-1), height, width)


def _first_and_last(shown: tf.Tensor, centers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where what is shown along one axis begins and ends on the canvas: `[sprites, length]` -> `[sprites]` each."""
    length = tf.shape(shown)[1]
    number = tf.where(shown, tf.range(length), length // 2)
    any_shown = tf.reduce_any(shown, axis=1)
    first = tf.where(any_shown, tf.argmax(shown, axis=1, output_type=tf.int32), length // 2)
    last = tf.where(any_shown, tf.reduce_max(tf.where(shown, number, 0), axis=1), length // 2)
    start = centers - length // 2
    return start + first, start + last + 1


def _as_shares(boxes: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    size = tf.cast(tf.stack([height, width, height, width]), tf.float32)
    return tf.clip_by_value(tf.cast(boxes, tf.float32) / size, 0.0, 1.0)
