"""The greedy test of what an object is: drawing it must gain more log-likelihood than it costs."""

from collections.abc import Callable
from typing import Optional

import tensorflow as tf


def gains_more_than_it_costs(
    drawings: tf.Tensor,
    costs: tf.Tensor,
    log_likelihood: Callable[[tf.Tensor], tf.Tensor],
    candidates: Optional[tf.Tensor] = None,
    rejected_stay: bool = False,
) -> tf.Tensor:
    """Which objects of a sequence gain more than they cost, each given those before it.

    Neither paper has it. Under the generative model an object that is drawn must raise log p(x | latents) by more than
    its KL terms take away, or the ELBO is higher without it. No labels are used.

    Args:
        drawings: float32 `[batch, objects, height, width, channels]`, what each object adds to the canvas.
        costs: float32 `[batch, objects]`, its KL terms, nats.
        log_likelihood: from canvases `[batch, height, width, channels]` to log p(x | canvas), `[batch]`, nats.
        candidates: bool `[batch, objects]`, the objects that may pass; all of them by default.
        rejected_stay: whether an object that does not pass stays on the canvas that the next ones are tried on.

    Returns:
        bool `[batch, objects]`.
    """
    canvas, passed = tf.zeros_like(drawings[:, 0]), []
    so_far = log_likelihood(canvas)
    for number in range(drawings.shape[1]):
        drawn = canvas + drawings[:, number]
        with_object = log_likelihood(drawn)
        passes = with_object - so_far > costs[:, number]
        if candidates is not None:
            passes &= candidates[:, number]
        passed.append(passes)
        stays = tf.ones_like(passes) if rejected_stay else passes
        canvas = tf.where(stays[:, None, None, None], drawn, canvas)
        so_far = tf.where(stays, with_object, so_far)
    return tf.stack(passed, axis=1)
