"""What drawings of single objects show, measured against their own peak: a dim object shows as much as a bright one."""

import tensorflow as tf

# Of its peak: what an object shows above this part belongs to it.
_VISIBLE = 0.5
# A drawing that is nowhere above this shows nothing: what is left is rounding. An 8-bit image's step is 4e-3.
_LEAST_PEAK = 1e-4


def relative_to_peak(drawings: tf.Tensor) -> tf.Tensor:
    """The brightest channel of each pixel as a fraction of the drawing's highest value.

    Args:
        drawings: Drawings of one object each, at least 0, float32 `[..., h, w, channels]`.

    Returns:
        Fractions, float32 `[..., h, w]` in [0, 1]; 0 everywhere for a drawing that shows nothing.
    """
    brightest = tf.reduce_max(drawings, axis=-1)
    peak = tf.reduce_max(brightest, axis=[-2, -1], keepdims=True)
    return tf.where(peak > _LEAST_PEAK, brightest / tf.maximum(peak, _LEAST_PEAK), 0.0)


def is_visible(fractions: tf.Tensor) -> tf.Tensor:
    """Whether an object shows at each pixel, above half of its peak: `relative_to_peak`'s result -> bool."""
    return fractions > _VISIBLE
