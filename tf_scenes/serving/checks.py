"""What a request must be, checked inside the exported graph: in the server no code of ours stands around it."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from tf_scenes.descriptions import field

_SMALLEST_SIDE = 8


def checked(name: str, value: tf.Tensor, shape: Sequence, conditions: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """The value, if it is what it must be; else the request fails with a line that names the input.

    Args:
        name: of the input.
        value: of the input.
        shape: that it must have, None where anything will do. A false one is reported by `tf.ensure_shape`, with the
            input's name in the graph and both shapes.
        conditions: what must be true, in words, and whether it is, scalar bool.
    """
    value = tf.ensure_shape(value, shape)
    checks = [
        tf.debugging.Assert(is_true, [f"input {name} must {words}; its shape is", tf.shape(value)])
        for words, is_true in conditions.items()
    ]
    with tf.control_dependencies(checks):
        return tf.identity(value)


def checked_images(name: str, images: tf.Tensor, channels: int, largest_side: int) -> tf.Tensor:
    """Images of any number from 1 on, any size within limits, and values in [0, 1]: float32 `[batch, h, w, channels]`.

    Args:
        name: of the input that the images come from.
        images: float32, or uint8 in [0, 255].
        channels: that the model takes.
        largest_side: limit of height and width, pixels.
    """
    images = tf.ensure_shape(images, [None, None, None, channels])
    sides = tf.shape(images)[1:3]
    conditions = {
        "hold at least one image": tf.shape(images)[0] > 0,
        f"have a height and width of {_SMALLEST_SIDE} to {largest_side} pixels": tf.reduce_all(
            (sides >= _SMALLEST_SIDE) & (sides <= largest_side)
        ),
    }
    if images.dtype == tf.uint8:
        images = checked(name, images, images.shape, conditions)
        return tf.cast(images, tf.float32) / 255.0
    # Comparisons with NaN are false.
    conditions["have values from 0 to 1, none NaN"] = tf.reduce_all((images >= 0.0) & (images <= 1.0))
    return checked(name, images, images.shape, conditions)


def checked_description(description: Mapping[str, tf.Tensor], num_categories: int) -> dict[str, tf.Tensor]:
    """A scene description whose parts fit each other.

    Args:
        description: name to `[batch, slots, ...]`.
        num_categories: of the model.
    """
    first_name, first = next(iter(description.items()))
    slots = tf.shape(first)[:2]
    result = {}
    for name, value in description.items():
        conditions = {
            "hold at least one scene": tf.shape(value)[0] > 0,
            f"have as many scenes and slots as {first_name}": tf.reduce_all(tf.shape(value)[:2] == slots),
        }
        if value.dtype.is_floating:
            conditions["have no NaN and no infinite value"] = tf.reduce_all(tf.math.is_finite(value))
        if field(name).categorical:
            words = f"have values from 0 to {num_categories - 1}"
            conditions[words] = tf.reduce_all((value >= 0) & (value < num_categories))
        result[name] = checked(name, value, value.shape, conditions)
    return result


def checked_image_size(image_size: tf.Tensor, scenes: tf.Tensor, largest_side: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Height and width that all scenes of a request ask for.

    Args:
        image_size: int32 `[batch, 2]`; a row for each scene, as the server's batching needs it.
        scenes: how many there are, scalar int32.
        largest_side: limit, pixels.
    """
    conditions = {
        "have as many rows as there are scenes": tf.shape(image_size)[0] == scenes,
        "be the same height and width in every row": tf.reduce_all(image_size == image_size[:1]),
        f"be from {_SMALLEST_SIDE} to {largest_side} pixels": tf.reduce_all(
            (image_size >= _SMALLEST_SIDE) & (image_size <= largest_side)
        ),
    }
    height, width = tf.unstack(checked("image_size", image_size, [None, 2], conditions)[0])
    return height, width
