"""Which object each pixel belongs to, by the shares of the sprites there."""

import numpy as np
import tensorflow as tf

from tf_scenes.models.lavae.placing import covered_pixels

# A sprite claims the pixels where it shows at least this much of its own peak, ...
_CLAIM = 0.05
# ... and its level is the image's mean where it shows this much of it.
_CORE = 0.6
# The outline follows the image more than the sprite: it is sharper, but ragged where an object is dim or textured.
_IMAGE_WEIGHT = 0.8
# Objects are measured where they show half of their level.
_HALF = 0.5
# Outlines beyond these levels would follow noise or texture.
_LOWEST_LEVEL, _HIGHEST_LEVEL = 0.25, 0.7


def label_images(
    contrast: tf.Tensor,
    scenes: tf.Tensor,
    labels: tf.Tensor,
    centers: tf.Tensor,
    sprites: tf.Tensor,
    outline_level: float,
    outline_slope: float = 0.0,
    level_area: float = 1.0,
) -> tf.Tensor:
    """Label images of the placed sprites.

    A pixel belongs to the sprite that shows the largest share of its own peak there, so that touching objects are
    parted where one fades and the other begins, whatever their brightness. Its outline lies where a weighted mean of
    the image, relative to the object's own level, and of that share falls below `outline_level`: lower by
    `outline_slope`, within limits, for each doubling of the mean area of an image's objects. Memory grows with the
    pixels of images and sprites, not with their product.

    Args:
        contrast: Images without their background, float32 `[batch, height, width, channels]`.
        scenes: Image of each sprite, int32 `[sprites]`.
        labels: Label of each sprite, from 1, int32 `[sprites]`.
        centers: Pixel of the canvas at which each sprite's middle is, int32 `[sprites, 2]`, y then x.
        sprites: Sprites, float32 `[sprites, h, w, channels]`, with h and w odd.
        outline_level: Fraction of its own level at which an object ends, where objects have the area `level_area`.
        outline_slope: How much lower that is where they have twice this area.
        level_area: This area in pixels.

    Returns:
        The label at each pixel, 0 where there is none, int32 `[batch, height, width]`.
    """
    batch, height, width = tf.unstack(tf.shape(contrast)[:3])
    owner, shown = _owners(contrast, scenes, centers, sprites)
    end = outline_level
    if outline_slope:
        mean_area = tf.maximum(_mean_areas(shown > _HALF, owner, scenes, batch), 1.0)  # [batch]
        doublings = tf.math.log(mean_area / level_area) / np.log(2.0)
        end = tf.clip_by_value(outline_level - outline_slope * doublings, _LOWEST_LEVEL, _HIGHEST_LEVEL)[:, None]
    own = tf.reshape(shown, [batch, -1]) > end
    label = tf.reshape(tf.gather(tf.concat([labels, [0]], axis=0), owner), [batch, -1])
    return tf.reshape(tf.where(own, label, 0), [batch, height, width])


def mean_areas(contrast: tf.Tensor, scenes: tf.Tensor, centers: tf.Tensor, sprites: tf.Tensor) -> tf.Tensor:
    """Mean area in pixels of the objects of each image, each where it shows half of its level.

    Args:
        contrast: As of `label_images`.
        scenes: As of `label_images`.
        centers: As of `label_images`.
        sprites: As of `label_images`.

    Returns:
        The areas, 0 for an image without objects, float32 `[batch]`.
    """
    owner, shown = _owners(contrast, scenes, centers, sprites)
    return _mean_areas(shown > _HALF, owner, scenes, tf.shape(contrast)[0])


def _owners(
    contrast: tf.Tensor, scenes: tf.Tensor, centers: tf.Tensor, sprites: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The sprite that claims each pixel, and how much of it the pixel shows.

    Returns:
        Number of the sprite, int32 `[pixels]`; the weighted mean of the image, relative to the sprite's level, and of
        the sprite, relative to its peak, float32 `[pixels]`: 0 where no sprite claims the pixel.
    """
    batch, height, width = tf.unstack(tf.shape(contrast)[:3])
    num_sprites = tf.shape(sprites)[0]
    brightness = tf.reduce_max(sprites, axis=-1)  # [sprites, h, w]
    shares = brightness / tf.reduce_max(brightness, axis=[1, 2], keepdims=True)
    pixels, inside = covered_pixels(scenes, centers, tf.unstack(tf.shape(sprites)[1:3]), height, width)
    kept = tf.where(inside & (shares > _CLAIM))  # [claims, 3]
    sprite = tf.cast(kept[:, 0], tf.int32)  # [claims]
    pixel, share = tf.gather_nd(pixels, kept), tf.gather_nd(shares, kept)  # [claims]

    num_pixels = batch * height * width
    largest = tf.math.unsorted_segment_max(share, pixel, num_pixels)
    wins = share >= tf.gather(largest, pixel)
    # Of two equal shares the later sprite wins.
    winner = tf.math.unsorted_segment_max(tf.where(wins, sprite, -1), pixel, num_pixels)  # [pixels]
    owner = tf.maximum(winner, 0)

    value = tf.reshape(tf.reduce_max(contrast, axis=-1), [-1])  # [pixels]
    core = (winner >= 0) & (largest > _CORE)
    level = tf.math.unsorted_segment_mean(tf.boolean_mask(value, core), tf.boolean_mask(owner, core), num_sprites)
    padded = tf.concat([level, [0.0]], axis=0)  # An image without sprites has no level to gather.
    level = tf.gather(padded, owner)
    shown = _IMAGE_WEIGHT * tf.math.divide_no_nan(value, level) + (1.0 - _IMAGE_WEIGHT) * largest
    return owner, tf.where((winner >= 0) & (level > 0.0), shown, 0.0)


def _mean_areas(own: tf.Tensor, owner: tf.Tensor, scenes: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """Mean number of pixels of those sprites of each image that have any, 0 if none has: float32 `[batch]`.

    Args:
        own: Whether each pixel belongs to a sprite, bool `[pixels]`.
        owner: Number of that sprite, int32 `[pixels]`.
        scenes: Image of each sprite, int32 `[sprites]`.
        batch: Number of images.
    """
    areas = tf.math.unsorted_segment_sum(tf.cast(own, tf.float32), owner, tf.shape(scenes)[0] + 1)[:-1]
    pixels = tf.math.unsorted_segment_sum(areas, scenes, batch)
    sprites = tf.math.unsorted_segment_sum(tf.cast(areas > 0.0, tf.float32), scenes, batch)
    return tf.math.divide_no_nan(pixels, sprites)
