"""Inferring objects at a scale at which they are as large as most are in training. Not in the paper.

Pictures of several magnifications show objects of several sizes, and those of a rare size are found less well: small
ones that touch are taken for one. So a picture's objects are measured first, and inferred again in the picture scaled.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

# Beyond these limits noise and blur of a scaled picture differ too much from those of training.
SMALLEST_SCALE, LARGEST_SCALE = 0.8, 1.5


def scales_for(mean_areas: tf.Tensor, typical_area: float) -> tf.Tensor:
    """Factors by which to enlarge images, within limits, so that their objects have a typical area.

    Args:
        mean_areas: Mean area of each image's objects in pixels, 0 for an image without objects, float32 `[batch]`.
        typical_area: The typical area in pixels.

    Returns:
        The factors, 1 for an image without objects, float32 `[batch]`.
    """
    scales = tf.sqrt(typical_area / tf.maximum(mean_areas, 1.0))
    return tf.where(mean_areas > 0.0, tf.clip_by_value(scales, SMALLEST_SCALE, LARGEST_SCALE), 1.0)


def at_scales(
    infer: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]],
    images: tf.Tensor,
    contrast: tf.Tensor,
    scales: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Infers the objects of each image at a scale of its own, one image after the other.

    Args:
        infer: From images and their contrast, float32 `[1, height, width, channels]`, to the pixels of their objects,
            int32 `[1, slots, 2]`, whether there is one in each slot, bool `[1, slots]`, and their appearances, float32
            `[1, slots, D]`, with static numbers of slots and dimensions.
        images: Images, float32 `[batch, height, width, channels]`.
        contrast: Images without their background, of the same shape.
        scales: Factor by which each image is enlarged, float32 `[batch]`.

    Returns:
        The same for the whole batch, with places in pixels of the images as they were, float32 `[batch, slots, 2]`.
    """
    size = tf.cast(tf.shape(images)[1:3], tf.float32)

    @tf.autograph.experimental.do_not_convert
    def infer_one(values: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        *pictures, scale = values
        scaled_size = tf.round(scale * size)
        scaled = (tf.image.resize(each[None], tf.cast(scaled_size, tf.int32), antialias=True) for each in pictures)
        centers, *others = infer(*scaled)
        # A pixel's middle is half a pixel from its edge at both scales.
        locations = (tf.cast(centers, tf.float32) + 0.5) * size / scaled_size - 0.5
        return tuple(value[0] for value in (locations, *others))

    return tf.map_fn(
        infer_one,
        (images, contrast, scales),
        fn_output_signature=(tf.float32, tf.bool, tf.float32),
        parallel_iterations=1,
    )


def resample_sprites(sprites: tf.Tensor, scales: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
    """Sprites of scaled images as they appear in the images as they were, by bilinear interpolation.

    Args:
        sprites: Sprites, float32 `[sprites, h, w, channels]`, with static odd h and w.
        scales: Factor by which each sprite's image was enlarged, float32 `[sprites]`.
        offsets: Where the middle of each sprite is, in pixels from the middle of the result, float32 `[sprites, 2]`, y
            then x.

    Returns:
        Sprites in a frame that is large enough for the smallest scale, float32 `[sprites, H, W, channels]`, with H and
        W odd.
    """
    before = np.array(sprites.shape[1:3])
    after = 2 * np.ceil(before / 2.0 / SMALLEST_SCALE).astype(int) + 1
    # From a pixel of the result to one of the sprite: scale * (pixel - middle - offset) + middle.
    moves = before // 2 - scales[:, None] * (after // 2 + offsets)  # [sprites, 2]
    zeros = tf.zeros_like(scales)
    transforms = tf.stack([scales, zeros, moves[:, 1], zeros, scales, moves[:, 0], zeros, zeros], axis=1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=sprites,
        transforms=transforms,
        output_shape=tf.constant(after, tf.int32),
        fill_value=0.0,
        interpolation="BILINEAR",
    )
