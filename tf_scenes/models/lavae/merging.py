"""Objects that are two halves of one: adjoining masks whose union is convex. Not in the paper."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_scenes.models.lavae.placing import covered_pixels

# Directions in which a convex hull is cut by a line.
_DIRECTIONS = 24


class Merges(NamedTuple):
    """Pairs of objects to take as one.

    Attributes:
        kept: Label of the first object of each pair, int32 `[pairs]`.
        dropped: Label of the second, int32 `[pairs]`.
        centers: Pixel in the middle of their union, int32 `[pairs, 2]`, y then x.
    """

    kept: tf.Tensor
    dropped: tf.Tensor
    centers: tf.Tensor


def convex_unions(labels: tf.Tensor, num_objects: tf.Tensor, largest_side: int, smallest_solidity: float) -> Merges:
    """Pairs of adjoining objects whose union is convex, each object in one pair at most.

    Of several partners of an object, the one with the most convex union counts, if it has no better partner itself.

    Args:
        labels: Label images, int32 `[batch, height, width]`: 0 on the background, 1 to `num_objects` on the objects of
            all images, numbered together.
        num_objects: Number of objects, scalar int32.
        largest_side: Largest height and width of a union in pixels, odd.
        smallest_solidity: Area of the union divided by that of its convex hull that a pair must exceed.
    """
    pairs = _adjoining(labels, num_objects)  # [pairs, 2]
    scenes, boxes, areas, sums = _measured(labels, num_objects)
    low = tf.reduce_min(tf.gather(boxes[:, 0], pairs), axis=1)  # [pairs, 2], y then x
    high = tf.reduce_max(tf.gather(boxes[:, 1], pairs), axis=1)
    pairs, low, high = _those(tf.reduce_all(high - low < largest_side, axis=1), pairs, low, high)
    windows = _windows(labels, tf.gather(scenes, pairs[:, 0]), (low + high) // 2, largest_side)
    unions = (windows == pairs[:, :1, None]) | (windows == pairs[:, 1:, None])  # [pairs, side, side]
    solidity = _solidities(unions)

    best = tf.math.unsorted_segment_max(
        tf.concat([solidity, solidity], axis=0), tf.concat([pairs[:, 0], pairs[:, 1]], axis=0), num_objects + 1
    )
    mutual = tf.reduce_all(tf.gather(best, pairs) == solidity[:, None], axis=1)
    pairs = tf.boolean_mask(pairs, mutual & (solidity > smallest_solidity))
    pairs = _with_each_object_once(pairs, num_objects)
    middles = tf.reduce_sum(tf.gather(sums, pairs), axis=1) / tf.reduce_sum(tf.gather(areas, pairs), axis=1)[:, None]
    return Merges(pairs[:, 0], pairs[:, 1], tf.cast(tf.round(middles), tf.int32))


def _adjoining(labels: tf.Tensor, num_objects: tf.Tensor) -> tf.Tensor:
    """Pairs of labels that lie side by side or one above the other somewhere: int32 `[pairs, 2]`, ascending.

    Of more than three pairs for each object, which connected objects cannot have, those with the longest borders.
    """
    keys, stride = [], tf.cast(num_objects, tf.int64) + 1
    for first, second in ((labels[:, :, 1:], labels[:, :, :-1]), (labels[:, 1:], labels[:, :-1])):
        touch = (first != second) & (first > 0) & (second > 0)
        sides = tf.stack([tf.boolean_mask(first, touch), tf.boolean_mask(second, touch)])
        low, high = tf.reduce_min(sides, axis=0), tf.reduce_max(sides, axis=0)
        keys.append(tf.cast(low, tf.int64) * stride + tf.cast(high, tf.int64))
    keys, _, borders = tf.unique_with_counts(tf.concat(keys, axis=0))
    _, longest = tf.math.top_k(borders, tf.minimum(tf.size(borders), 3 * num_objects))
    keys = tf.gather(keys, longest)
    return tf.cast(tf.stack([keys // stride, keys % stride], axis=1), tf.int32)


def _measured(labels: tf.Tensor, num_objects: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Measures each label; the row of label 0, the background, means nothing.

    Returns:
        The image it is in, int32 `[labels]`; its first and last pixel along y and x, int32 `[labels, 2, 2]`; its area,
        float32 `[labels]`; the sums of its pixels' y and x, float32 `[labels, 2]`.
    """
    positions = tf.where(labels > 0)  # [pixels, 3]
    label, count = tf.gather_nd(labels, positions), num_objects + 1
    scenes, pixels = tf.split(tf.cast(positions, tf.int32), [1, 2], axis=1)
    lows, highs = (
        segment(pixels, label, count) for segment in (tf.math.unsorted_segment_min, tf.math.unsorted_segment_max)
    )
    areas = tf.math.unsorted_segment_sum(tf.ones_like(label, tf.float32), label, count)
    sums = tf.math.unsorted_segment_sum(tf.cast(pixels, tf.float32), label, count)
    scenes = tf.math.unsorted_segment_max(scenes[:, 0], label, count)
    return scenes, tf.stack([lows, highs], axis=1), areas, sums


def _those(condition: tf.Tensor, *values: tf.Tensor) -> tuple[tf.Tensor, ...]:
    return tuple(tf.boolean_mask(value, condition) for value in values)


def _windows(labels: tf.Tensor, scenes: tf.Tensor, centers: tf.Tensor, side: int) -> tf.Tensor:
    """Squares of label images around pixels, 0 outside of them: int32 `[pairs, side, side]`."""
    pixels, inside = covered_pixels(scenes, centers, (side, side), *tf.unstack(tf.shape(labels)[1:]))
    return tf.where(inside, tf.gather(tf.reshape(labels, [-1]), tf.where(inside, pixels, 0)), 0)


def _solidities(masks: tf.Tensor) -> tf.Tensor:
    """Number of pixels of masks divided by that of the pixels in their convex hulls: bool `[n, h, w]` -> `[n]`."""
    y, x = (tf.cast(tf.range(side), tf.float32) for side in tf.unstack(tf.shape(masks)[1:]))
    hulls = tf.ones_like(masks)
    for angle in 2.0 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS:
        along = np.float32(np.sin(angle)) * y[:, None] + np.float32(np.cos(angle)) * x  # [h, w]
        farthest = tf.reduce_max(tf.where(masks, along, along.dtype.min), axis=[1, 2], keepdims=True)
        # From the middle of a pixel to those of its sides, as in scikit-image.
        to_side = 0.5 * max(abs(np.sin(angle)), abs(np.cos(angle)))
        hulls &= along <= farthest + np.float32(to_side)
    areas = (tf.math.count_nonzero(pixels, axis=[1, 2], dtype=tf.float32) for pixels in (masks, hulls))
    return tf.math.divide_no_nan(*areas)


def _with_each_object_once(pairs: tf.Tensor, num_objects: tf.Tensor) -> tf.Tensor:
    """Pairs without those that share an object with a later one, as equally convex ones may."""
    number = tf.range(tf.shape(pairs)[0])
    last = tf.math.unsorted_segment_max(tf.tile(number, [2]), tf.reshape(tf.transpose(pairs), [-1]), num_objects + 1)
    return tf.boolean_mask(pairs, tf.reduce_all(tf.gather(last, pairs) == number[:, None], axis=1))
