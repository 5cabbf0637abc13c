"""Which local maxima of the location features are objects, by the model's own evidence. Not in the paper."""

from collections.abc import Callable

import tensorflow as tf

from tf_scenes.models.lavae.placing import covered_pixels


def worth_their_cost(
    images: tf.Tensor,
    empty: tf.Tensor,
    centers: tf.Tensor,
    candidates: tf.Tensor,
    sprites: tf.Tensor,
    costs: tf.Tensor,
    log_likelihood: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    rejected_stay: bool = False,
) -> tf.Tensor:
    """Tests the objects of each image in turn: does drawing one gain more log-likelihood than its KL terms cost?

    As `acceptance.gains_more_than_it_costs`, but a sprite is drawn and weighed where it is only, so that time and
    memory do not grow with the number of objects times that of all pixels.

    Args:
        images: Images, float32 `[batch, height, width, channels]`.
        empty: Canvases without objects, of the same shape.
        centers: Pixels at which the sprites' middles are, int32 `[batch, objects, 2]`, y then x.
        candidates: Whether each object may pass the test, bool `[batch, objects]`.
        sprites: Sprites, float32 `[batch, objects, h, w, channels]`, with h and w odd.
        costs: Sum of each object's KL terms, float32 `[batch, objects]`, nats.
        log_likelihood: Function from pixels and canvas, `[batch, h, w, channels]` each, to their log-likelihood,
            `[batch]`, nats.
        rejected_stay: Whether objects that fail the test stay on the canvas on which later objects are tested.

    Returns:
        Whether each object passes the test, bool `[batch, objects]`.
    """
    sprites, costs = tf.stop_gradient(sprites), tf.stop_gradient(costs)
    batch, objects, rows, columns, channels = tf.unstack(tf.shape(sprites))
    # With margins, every sprite is on the canvas as a whole.
    margins = [[0, 0], [rows // 2, rows // 2], [columns // 2, columns // 2], [0, 0]]
    pixels, canvas = (tf.pad(each, margins) for each in (images, empty))
    height, width = tf.unstack(tf.shape(pixels)[1:3])
    scenes = tf.repeat(tf.range(batch), objects)
    corner = tf.stack([rows // 2, columns // 2])
    places, _ = covered_pixels(scenes, tf.reshape(centers + corner, [-1, 2]), [rows, columns], height, width)
    places = tf.reshape(places, [batch, objects, rows, columns])
    seen = tf.reshape(tf.pad(tf.ones_like(images), margins), [-1, channels])
    pixels, canvas = (tf.reshape(each, [-1, channels]) for each in (pixels, canvas))

    def test(number: tf.Tensor, canvas: tf.Tensor, passed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        place = places[:, number]  # [batch, h, w]
        image, before = tf.gather(pixels, place), tf.gather(canvas, place)
        drawn = sprites[:, number] * tf.gather(seen, place)
        gain = log_likelihood(image, before + drawn) - log_likelihood(image, before)
        passes = candidates[:, number] & (gain > costs[:, number])
        stays = drawn if rejected_stay else tf.where(passes[:, None, None, None], drawn, tf.zeros_like(drawn))
        canvas = tf.tensor_scatter_nd_add(canvas, place[..., None], stays)
        return number + 1, canvas, passed | (passes[:, None] & tf.one_hot(number, objects, True, False, dtype=tf.bool))

    number = tf.range(1, objects + 1)
    last = tf.reduce_max(tf.where(candidates, number, tf.zeros_like(number)))
    _, _, passed = tf.while_loop(
        lambda number, *_: number < last,
        test,
        (tf.constant(0), canvas, tf.zeros_like(candidates)),
        parallel_iterations=1,
    )
    return passed
