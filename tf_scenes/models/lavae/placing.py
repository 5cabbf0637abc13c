"""Placing sprites on a canvas: LAVAE, equation 4."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


def convolve_sprites(scenes: tf.Tensor, locations: tf.Tensor, sprites: tf.Tensor, num_scenes: tf.Tensor) -> tf.Tensor:
    """Sum over the objects of each scene of the 2-D convolution of their location maps with their sprites.

    Computed by Fourier transform, which on a CPU is more than 10 times as fast as a depthwise convolution
    (`benchmarks/placing.py`).

    Args:
        scenes: Scene of each object, int32 `[objects]`.
        locations: Location maps, one-hot or relaxed, float32 `[objects, height, width]`; a one-hot map places the
            centre of its sprite at the hot pixel.
        sprites: Sprites, float32 `[objects, h, w, channels]`, with h and w odd and at most height and width.
        num_scenes: Number of scenes, scalar int32.

    Returns:
        Canvases, float32 `[num_scenes, height, width, channels]`; parts of sprites outside are cut off.
    """
    height, width = tf.shape(locations)[1], tf.shape(locations)[2]
    rows, columns = tf.shape(sprites)[1], tf.shape(sprites)[2]
    # With half a sprite of padding, pixels that wrap around stay outside the part that is kept.
    size = [fast_length(height + rows // 2), fast_length(width + columns // 2)]
    top, left = rows // 2, columns // 2

    @tf.custom_gradient
    def convolve(locations: tf.Tensor, sprites: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
        location_waves = tf.signal.rfft2d(locations, size)[:, None]  # [objects, 1, F, F / 2 + 1]
        sprite_waves = tf.signal.rfft2d(sprites, size)  # [objects, channels, F, F / 2 + 1]
        sums = tf.math.unsorted_segment_sum(location_waves * sprite_waves, scenes, num_scenes)
        canvas = tf.signal.irfft2d(sums, size)

        def gradient(canvas_gradient: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            # Correlations by hand, since TensorFlow's own gradient would pad, mirror and tile every transform.
            margins = [[top, size[0] - top - height], [left, size[1] - left - width]]
            waves = tf.gather(tf.signal.rfft2d(tf.pad(canvas_gradient, [[0, 0], [0, 0], *margins])), scenes)
            locations_gradient = tf.signal.irfft2d(tf.reduce_sum(waves * tf.math.conj(sprite_waves), axis=1), size)
            sprites_gradient = tf.signal.irfft2d(waves * tf.math.conj(location_waves), size)
            return locations_gradient[..., :height, :width], sprites_gradient[..., :rows, :columns]

        return canvas[:, :, top : top + height, left : left + width], gradient

    canvas = convolve(locations, tf.transpose(sprites, [0, 3, 1, 2]))  # [num_scenes, channels, height, width]
    return tf.transpose(canvas, [0, 2, 3, 1])


def offsets_of_mass(sprites: tf.Tensor, power: int = 1) -> tf.Tensor:
    """How far the centre of mass of each sprite is from its middle.

    A mass of 1 in the middle is added to what is drawn, so that a sprite that shows almost nothing is hardly off.

    Args:
        sprites: Sprites, float32 `[..., h, w, channels]`.
        power: Power of a pixel's brightness that is its mass, at least 1.

    Returns:
        Offsets in pixels, float32 `[..., 2]`, y then x.
    """
    mass = tf.reduce_sum(sprites**power, axis=-1)
    total = tf.reduce_sum(mass, axis=[-2, -1]) + 1.0
    offsets = []
    for axis in (-2, -1):
        middle = (tf.cast(tf.shape(mass)[axis], tf.float32) - 1.0) / 2.0
        profile = tf.reduce_sum(mass, axis=-3 - axis)  # [..., h] or [..., w]
        places = tf.cast(tf.range(tf.shape(mass)[axis]), tf.float32) - middle
        offsets.append(tf.reduce_sum(profile * places, axis=-1) / total)
    return tf.stack(offsets, axis=-1)


def squared_offsets(sprites: tf.Tensor, power: int = 1, slack: float = 0.0) -> tf.Tensor:
    """How far the centre of mass of each sprite is from its middle, beyond what is allowed.

    Args:
        sprites: Sprites, float32 `[..., h, w, channels]`.
        power: See `offsets_of_mass`.
        slack: How far it may be in each direction, in pixels.

    Returns:
        Squared distance in pixels, float32 `[...]`.
    """
    beyond = tf.nn.relu(tf.abs(offsets_of_mass(sprites, power)) - slack)
    return tf.reduce_sum(tf.square(beyond), axis=-1)


def fast_length(length: tf.Tensor) -> tf.Tensor:
    """The next multiple of 16: a length with a fast Fourier transform, and even, as `irfft2d` requires."""
    return -(-length // 16) * 16


def covered_pixels(
    scenes: tf.Tensor, centers: tf.Tensor, size: Sequence[int], height: tf.Tensor, width: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the pixels of sprites lie on canvases, in memory that grows with the sprites and not with the canvases.

    Args:
        scenes: Canvas of each sprite, int32 `[sprites]`.
        centers: Pixel of the canvas at which each sprite's middle is, int32 `[sprites, 2]`, y then x.
        size: Height and width of a sprite, both odd.
        height: Height of the canvases in pixels, scalar int32.
        width: Width of the canvases in pixels, scalar int32.

    Returns:
        Number of each pixel of the sprites when all canvases are flattened into one sequence of pixels, int32
        `[sprites, h, w]`; and whether it is on its canvas, bool `[sprites, h, w]`.
    """
    rows, columns = size
    y = centers[:, 0, None, None] + (tf.range(rows) - rows // 2)[:, None]  # [sprites, h, 1]
    x = centers[:, 1, None, None] + (tf.range(columns) - columns // 2)  # [sprites, 1, w]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return (scenes[:, None, None] * height + y) * width + x, inside


def draw_sprites(
    scenes: tf.Tensor,
    centers: tf.Tensor,
    sprites: tf.Tensor,
    num_scenes: tf.Tensor,
    height: tf.Tensor,
    width: tf.Tensor,
) -> tf.Tensor:
    """The sum of sprites on each canvas, as by `convolve_sprites` for exact one-hot locations.

    Args:
        scenes: Canvas of each sprite, int32 `[sprites]`.
        centers: Pixel of the canvas at which each sprite's middle is, int32 `[sprites, 2]`, y then x.
        sprites: Sprites, float32 `[sprites, h, w, channels]`, with h and w odd.
        num_scenes: Number of canvases, scalar int32.
        height: Height of the canvases in pixels, scalar int32.
        width: Width of the canvases in pixels, scalar int32.

    Returns:
        Canvases, float32 `[num_scenes, height, width, channels]`; parts of sprites outside are cut off.
    """
    pixels, inside = covered_pixels(scenes, centers, tf.unstack(tf.shape(sprites)[1:3]), height, width)
    # A negative number is left out of the sum.
    sums = tf.math.unsorted_segment_sum(sprites, tf.where(inside, pixels, -1), num_scenes * height * width)
    return tf.reshape(sums, [num_scenes, height, width, sprites.shape[-1]])


def hot_pixels(locations: tf.Tensor) -> tf.Tensor:
    """The highest pixel of each map: `[batch, objects, height, width]` -> int32 `[batch, objects, 2]`, y then x."""
    shape = tf.shape(locations)
    flat = tf.reshape(locations, [shape[0], shape[1], -1])
    index = tf.argmax(flat, axis=-1, output_type=tf.int32)
    return tf.stack([index // shape[3], index % shape[3]], axis=-1)
