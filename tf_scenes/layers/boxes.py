"""Bounding boxes of objects: ymin, xmin, ymax and xmax as fractions of the canvas, as in TensorFlow's image ops."""

import tensorflow as tf


def boxes_of_sprites(centers: tf.Tensor, sprites: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Bounding boxes of the lit pixels of sprites on the canvas, those above one half in any channel.

    Args:
        centers: Pixel of the canvas at which each sprite's middle is, int32 `[sprites, 2]`, y then x.
        sprites: Sprites with odd h and w, float32 `[sprites, h, w, channels]`.
        height: Height of the canvas in pixels, scalar int32.
        width: Width of the canvas in pixels, scalar int32.

    Returns:
        Boxes, float32 `[sprites, 4]`, within [0, 1]; the box of the middle pixel for a sprite without lit pixels.
    """
    lit = tf.reduce_any(sprites > 0.5, axis=-1)  # [sprites, h, w]
    edges = [_lit_range(tf.reduce_any(lit, axis=axis), centers[:, number]) for number, axis in ((0, 2), (1, 1))]
    (top, bottom), (left, right) = edges
    return _as_fractions(tf.stack([top, left, bottom, right], axis=-1), height, width)


def boxes_of_corners(corners: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Upright bounding boxes of oriented boxes.

    Args:
        corners: Corners of the oriented boxes, float32 `[..., 4, 2]`, y then x in pixels, where 0 is the middle of the
            first pixel.
        height: Height of the canvas in pixels, scalar int32.
        width: Width of the canvas in pixels, scalar int32.

    Returns:
        Boxes, float32 `[..., 4]`, within [0, 1].
    """
    edges = corners + 0.5
    return _as_fractions(tf.concat([tf.reduce_min(edges, -2), tf.reduce_max(edges, -2)], axis=-1), height, width)


def _lit_range(lit: tf.Tensor, centers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The range of lit pixels along one axis, in pixels of the canvas.

    Args:
        lit: Whether each row or column of a sprite has a lit pixel, bool `[sprites, length]`.
        centers: Pixel of the canvas at which each sprite's middle is, int32 `[sprites]`.

    Returns:
        Start and exclusive end of the range, int32 `[sprites]` each.
    """
    length = tf.shape(lit)[1]
    number = tf.where(lit, tf.range(length), length // 2)
    any_lit = tf.reduce_any(lit, axis=1)
    first = tf.where(any_lit, tf.argmax(lit, axis=1, output_type=tf.int32), length // 2)
    last = tf.where(any_lit, tf.reduce_max(tf.where(lit, number, 0), axis=1), length // 2)
    start = centers - length // 2
    return start + first, start + last + 1


def _as_fractions(boxes: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    size = tf.cast(tf.stack([height, width, height, width]), tf.float32)
    return tf.clip_by_value(tf.cast(boxes, tf.float32) / size, 0.0, 1.0)
