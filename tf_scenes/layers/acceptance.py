"""The greedy test for objects: drawing one must gain more log-likelihood than its KL terms cost."""

from collections.abc import Callable
from typing import Optional

import tensorflow as tf


def gains_more_than_it_costs(
    drawings: tf.Tensor,
    costs: tf.Tensor,
    log_likelihood: Callable[[tf.Tensor], tf.Tensor],
    candidates: Optional[tf.Tensor] = None,
    rejected_stay: bool = False,
    empty: Optional[tf.Tensor] = None,
) -> tf.Tensor:
    """Tests the objects of a sequence in turn: does drawing an object gain more log-likelihood than it costs?

    Departure from the papers, which have no such test. Unless an object raises log p(x | latents) by more than its KL
    terms, the ELBO is higher without it. No labels are used.

    Args:
        drawings: What each object adds to the canvas, float32 `[batch, objects, height, width, channels]`.
        costs: Sum of each object's KL terms, float32 `[batch, objects]`, nats.
        log_likelihood: Function from canvases `[batch, height, width, channels]` to log p(x | canvas), `[batch]`, nats.
        candidates: Whether each object may pass the test, bool `[batch, objects]`; None lets all of them.
        rejected_stay: Whether objects that fail the test stay on the canvas on which later objects are tested.
        empty: Canvas without objects, float32 `[batch, height, width, channels]`; black by default.

    Returns:
        Whether each object passes the test, bool `[batch, objects]`.
    """
    canvas, passed = tf.zeros_like(drawings[:, 0]) if empty is None else empty, []
    so_far = log_likelihood(canvas)
    for number in range(drawings.shape[1]):
        drawn = canvas + drawings[:, number]
        with_object = log_likelihood(drawn)
        passes = with_object - so_far > costs[:, number]
        if candidates is not None:
            passes &= candidates[:, number]
        passed.append(passes)
        canvas = drawn if rejected_stay else tf.where(passes[:, None, None, None], drawn, canvas)
        so_far = with_object if rejected_stay else tf.where(passes, with_object, so_far)
    return tf.stack(passed, axis=1)
