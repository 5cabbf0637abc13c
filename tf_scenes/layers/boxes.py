"""Bounding boxes of objects: ymin, xmin, ymax and xmax as fractions of the canvas, as in TensorFlow's image ops."""

from typing import Optional

import tensorflow as tf

from tf_scenes.layers.visibility import is_visible, relative_to_peak


def boxes_of_sprites(centers: tf.Tensor, sprites: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Bounding boxes of what sprites show on the canvas: their pixels above half of their own peak in any channel.

    Args:
        centers: Pixel of the canvas at which each sprite's middle is, int32 `[sprites, 2]`, y then x.
        sprites: Sprites with odd h and w, float32 `[sprites, h, w, channels]`.
        height: Height of the canvas in pixels, scalar int32.
        width: Width of the canvas in pixels, scalar int32.

    Returns:
        Boxes, float32 `[sprites, 4]`, within [0, 1]; the box of the middle pixel for a sprite that shows nothing.
    """
    visible = is_visible(relative_to_peak(sprites))
    middles = tf.shape(sprites)[1:3] // 2
    return boxes_of_visible(visible, middles[None], height, width, origins=centers - middles)


def boxes_of_visible(
    visible: tf.Tensor, fallbacks: tf.Tensor, height: tf.Tensor, width: tf.Tensor, origins: Optional[tf.Tensor] = None
) -> tf.Tensor:
    """Bounding boxes of visible pixels.

    Args:
        visible: Whether an object shows at each pixel of its drawing, bool `[objects, h, w]`.
        fallbacks: Pixel of the drawing that the box of an object without visible pixels is around, int32
            `[objects or 1, 2]`, y then x.
        height: Height of the canvas in pixels, scalar int32.
        width: Width of the canvas in pixels, scalar int32.
        origins: Pixel of the canvas at which each drawing's first pixel is, int32 `[objects, 2]`, y then x; None if
            drawings are as large as the canvas.

    Returns:
        Boxes, float32 `[objects, 4]`, within [0, 1].
    """
    (top, bottom), (left, right) = (
        _range(tf.reduce_any(visible, axis=axis), fallbacks[:, number]) for number, axis in ((0, 2), (1, 1))
    )
    edges = tf.stack([top, left, bottom, right], axis=-1)
    if origins is not None:
        edges += tf.tile(origins, [1, 2])
    size = tf.cast(tf.stack([height, width, height, width]), tf.float32)
    return tf.clip_by_value(tf.cast(edges, tf.float32) / size, 0.0, 1.0)


def _range(visible: tf.Tensor, fallbacks: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The range of visible rows or columns: `[objects, length]` -> start and exclusive end, int32 `[objects]` each."""
    length, any_visible = tf.shape(visible)[1], tf.reduce_any(visible, axis=1)
    first = tf.argmax(visible, axis=1, output_type=tf.int32)
    last = tf.reduce_max(tf.where(visible, tf.range(length), -1), axis=1)
    return tf.where(any_visible, first, fallbacks), 1 + tf.where(any_visible, last, fallbacks)
