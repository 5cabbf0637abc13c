"""Objects whose middle lies between pixels are moved to the one at which they are drawn best. Not in the paper."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_scenes.models.lavae.placing import draw_sprites, offsets_of_mass
from tf_scenes.models.lavae.slots import never_empty

# An object whose centre of mass is further off its pixel than this, in pixels, is between that one and the next. As far
# may sprites be off in training, by --lavae.centering_slack of the recipes.
_BETWEEN_PIXELS = 0.25
# The pixel itself, and those beside it on the side of the centre of mass, y then x.
_STEPS = ((0, 0), (1, 0), (0, 1), (1, 1))


class Surroundings(NamedTuple):
    """What is around objects, in patches that reach a pixel further than those that appearances are inferred from.

    Attributes:
        seen: The image without what other objects show, float32 `[objects, side, side, channels]`.
        empty: The canvas without objects, of the same shape.
        inside: 1 for pixels of the image and 0 for those beyond its edges, float32 `[objects, side, side, 1]`.
    """

    seen: tf.Tensor
    empty: tf.Tensor
    inside: tf.Tensor


def drawn_best(
    around: Surroundings,
    infer: Callable[[tf.Tensor], tf.Tensor],
    generate: Callable[[tf.Tensor], tf.Tensor],
    log_likelihood: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    power: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Infers each object, if need be also at the pixels beside its own, and keeps what explains the image best.

    Where the same object is found at another pixel, because it lies otherwise on the grid of a location network's
    cells, the choice is between the same pixels.

    Args:
        around: What is around objects, of which there is at least one.
        infer: From patches, float32 `[n, side - 2, side - 2, channels]`, to appearances, float32 `[n, D]`.
        generate: From appearances to sprites, float32 `[n, h, w, channels]`, with h and w odd.
        log_likelihood: From pixels and canvases, `[n, h, w, channels]` each, to log-likelihoods, `[n]`, nats.
        power: Power of brightness that is a sprite's mass, see `offsets_of_mass`.

    Returns:
        By how many pixels each object is moved, int32 `[objects, 2]`, y then x, and its appearance seen from there,
        float32 `[objects, D]`.
    """
    appearance = infer(around.seen[:, 1:-1, 1:-1])
    sprites = generate(appearance)
    tried, steps = _pixels_beside(offsets_of_mass(sprites, power), around.inside)
    beside = never_empty(infer, _shifted(tf.gather(around.seen, tried[:, 0]), steps))

    number = tf.range(tf.shape(sprites)[0])
    choices = tf.concat([tf.stack([number, tf.zeros_like(number)], axis=1), tried], axis=0)  # Object and kind of step.
    steps = tf.concat([tf.zeros([tf.shape(sprites)[0], 2], tf.int32), steps], axis=0)
    sprites = tf.concat([sprites, never_empty(generate, beside)], axis=0)
    shape = [tf.shape(number)[0], len(_STEPS)]
    log_likelihoods = tf.tensor_scatter_nd_update(
        tf.fill(shape, -float("inf")), choices, _log_likelihoods(around, choices[:, 0], steps, sprites, log_likelihood)
    )
    best = tf.stack([number, tf.argmax(log_likelihoods, axis=1, output_type=tf.int32)], axis=1)
    chosen = tf.gather_nd(tf.scatter_nd(choices, tf.range(tf.shape(choices)[0]), shape), best)
    return tf.gather(steps, chosen), tf.gather(tf.concat([appearance, beside], axis=0), chosen)


def _pixels_beside(offsets: tf.Tensor, inside: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Pixels beside objects that are between pixels.

    Args:
        offsets: How far objects' centres of mass are from their pixels, float32 `[objects, 2]`, y then x.
        inside: As in `Surroundings`.

    Returns:
        Object and kind of step of each of these pixels, int32 `[n, 2]`, and the step, int32 `[n, 2]`, y then x.
    """
    kinds = tf.constant(_STEPS)
    steps = tf.cast(tf.sign(offsets), tf.int32)[:, None] * kinds  # [objects, kinds, 2]
    is_between = tf.reduce_all((tf.abs(offsets) > _BETWEEN_PIXELS)[:, None] | (kinds == 0), axis=-1)
    middle = inside.shape[1] // 2
    is_inside = tf.gather_nd(inside[..., 0], middle + steps, batch_dims=1) > 0.5  # [objects, kinds]
    tried = tf.where(is_between & is_inside & tf.reduce_any(kinds > 0, axis=-1))
    return tf.cast(tried, tf.int32), tf.gather_nd(steps, tried)


def _shifted(patches: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
    """Patches around pixels beside the middle: `[n, side, side, channels]` -> `[n, side - 2, side - 2, channels]`."""
    places = 1 + tf.range(patches.shape[1] - 2)
    rows, columns = (steps[:, axis, None] + places for axis in (0, 1))  # [n, side - 2]
    return tf.gather(tf.gather(patches, rows, batch_dims=1), columns, axis=2, batch_dims=1)


def _log_likelihoods(
    around: Surroundings,
    numbers: tf.Tensor,
    steps: tf.Tensor,
    sprites: tf.Tensor,
    log_likelihood: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """Log-likelihood of what is around an object, for each number of an object, step and sprite: `[n]`, nats."""
    count, side = tf.shape(numbers)[0], around.seen.shape[1]
    drawn = draw_sprites(tf.range(count), side // 2 + steps, sprites, count, side, side)
    seen, empty, inside = (tf.gather(each, numbers) for each in around)
    return log_likelihood(seen, empty + drawn * inside)
