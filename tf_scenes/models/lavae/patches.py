"""Patches of an image around locations, from which appearances can be inferred."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_scenes.models.lavae.placing import fast_length


def expected_patches(images: tf.Tensor, scenes: tf.Tensor, locations: tf.Tensor, side: int) -> tf.Tensor:
    """The mean of the patches around all pixels, weighted by each location map.

    Of a one-hot map it is the patch around the hot pixel. It is the correlation of image and map, computed by Fourier
    transform as `convolve_sprites` is. Only the maps have a gradient.

    Args:
        images: Images, float32 `[batch, height, width, channels]`; beyond their edges there are zeros.
        scenes: Image of each object, int32 `[objects]`.
        locations: Location maps, one-hot or relaxed, float32 `[objects, height, width]`.
        side: Side of a patch in pixels, even; the pixel that it is of is at `side / 2`.

    Returns:
        Patches, float32 `[objects, side, side, channels]`.
    """
    height, width = tf.shape(images)[1], tf.shape(images)[2]
    half = side // 2
    size = [fast_length(height + side), fast_length(width + side)]
    margins = [[half, size[0] - half - height], [half, size[1] - half - width]]

    @tf.custom_gradient
    def correlate(images: tf.Tensor, locations: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
        image_waves = tf.gather(tf.signal.rfft2d(tf.pad(images, [[0, 0], [0, 0], *margins])), scenes)
        location_waves = tf.signal.rfft2d(locations, size)[:, None]  # [objects, 1, F, F / 2 + 1]
        patches = tf.signal.irfft2d(image_waves * tf.math.conj(location_waves), size)[..., :side, :side]

        def gradient(upstream: tf.Tensor) -> tuple[None, tf.Tensor]:
            waves = tf.reduce_sum(image_waves * tf.math.conj(tf.signal.rfft2d(upstream, size)), axis=1)
            return None, tf.signal.irfft2d(waves, size)[..., :height, :width]

        return patches, gradient

    patches = correlate(tf.transpose(images, [0, 3, 1, 2]), locations)  # [objects, channels, side, side]
    # Transforms of a batch of unknown size forget the number of channels.
    return tf.ensure_shape(tf.transpose(patches, [0, 2, 3, 1]), [None, side, side, images.shape[-1]])


def patches_at(images: tf.Tensor, centers: tf.Tensor, side: int) -> tf.Tensor:
    """The same at whole pixels, in memory that does not grow with the size of the images.

    Args:
        images: Images, float32 `[batch, height, width, channels]`.
        centers: Pixels, int32 `[batch, objects, 2]`, y then x.
        side: Side of a patch in pixels, even.

    Returns:
        Patches, float32 `[batch, objects, side, side, channels]`.
    """
    half = side // 2
    padded = tf.pad(images, [[0, 0], [half, half], [half, half], [0, 0]])
    offsets = tf.range(side)
    rows, columns = (centers[..., axis, None] + offsets for axis in (0, 1))  # [batch, objects, side]
    shape = tf.shape(padded)
    pixels = rows[..., :, None] * shape[2] + columns[..., None, :]  # [batch, objects, side, side]
    flat = tf.reshape(padded, [shape[0], shape[1] * shape[2], images.shape[-1]])
    return tf.gather(flat, pixels, batch_dims=1)


def in_patches(sprites: tf.Tensor, side: int) -> tf.Tensor:
    """Sprites as they lie in the patches around their middles.

    Args:
        sprites: Sprites, float32 `[sprites, h, w, channels]`, with h and w odd.
        side: Side of a patch in pixels, even.

    Returns:
        Patches, float32 `[sprites, side, side, channels]`; what does not fit into a patch is cut off.
    """
    cut, padding = [slice(None)], [[0, 0]]
    for length in sprites.shape[1:3]:
        before = side // 2 - length // 2
        after = side - before - length
        cut.append(slice(max(0, -before), length - max(0, -after)))
        padding.append([max(0, before), max(0, after)])
    return tf.pad(sprites[tuple(cut)], [*padding, [0, 0]])
