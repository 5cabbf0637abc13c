"""Checks of requests. They are part of the exported graph, because the server runs nothing else of this package."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from tf_scenes.descriptions import PRESENCE, SCALE, SIZES, SMALLEST_SIDE, by_object, field

# Bounds of what a scene may hold: what models see is far below, and products of what is far above overflow.
_LARGEST_VALUE, _MOST_SLOTS = 1e6, 10_000


def checked(name: str, value: tf.Tensor, shape: Sequence, conditions: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Returns a value that meets the requirements; otherwise the request fails with a message that names the input.

    Args:
        name: Name of the input.
        value: Value of the input.
        shape: Required shape, with None for sides that may be anything. `tf.ensure_shape` reports any other shape, with
            the input's name in the graph and both shapes.
        conditions: Whether each requirement is met, scalar bool, by its wording, which completes "input ... must".
    """
    value = tf.ensure_shape(value, shape)
    checks = [
        tf.debugging.Assert(is_true, [f"input {name} must {words}; its shape is", tf.shape(value)])
        for words, is_true in conditions.items()
    ]
    with tf.control_dependencies(checks):
        return tf.identity(value)


def checked_images(name: str, images: tf.Tensor, channels: int, largest_side: int) -> tf.Tensor:
    """Checks images: at least one, of a size within limits, with values in [0, 1].

    Args:
        name: Name of the input that the images come from.
        images: Images, float32 in [0, 1] or uint8 in [0, 255], `[batch, height, width, channels]`.
        channels: Number of channels that the model takes.
        largest_side: Largest height and width allowed, in pixels.

    Returns:
        Images, float32 `[batch, height, width, channels]` in [0, 1].
    """
    images = tf.ensure_shape(images, [None, None, None, channels])
    sides = tf.shape(images)[1:3]
    conditions = {
        "hold at least one image": tf.shape(images)[0] > 0,
        words_on_sides(largest_side): sides_are_allowed(sides, largest_side),
    }
    if images.dtype == tf.uint8:
        images = checked(name, images, images.shape, conditions)
        return tf.cast(images, tf.float32) / 255.0
    # The comparisons reject NaN too, since any comparison with NaN is false.
    conditions["have values from 0 to 1, none NaN"] = tf.reduce_all((images >= 0.0) & (images <= 1.0))
    return checked(name, images, images.shape, conditions)


def words_on_sides(largest_side: int) -> str:
    """What is said of images of other sizes than those allowed, for `checked`.

    Args:
        largest_side: Largest height and width allowed, in pixels.
    """
    return f"have a height and width of {SMALLEST_SIDE} to {largest_side} pixels"


def sides_are_allowed(sides: tf.Tensor, largest_side: int) -> tf.Tensor:
    """Whether all heights and widths are allowed, scalar bool.

    Args:
        sides: Heights and widths in pixels, of any integer type and shape.
        largest_side: Largest height and width allowed, in pixels.
    """
    return tf.reduce_all((sides >= SMALLEST_SIDE) & (sides <= largest_side))


def checked_description(description: Mapping[str, tf.Tensor], num_categories: int) -> dict[str, tf.Tensor]:
    """Checks a scene description: equal numbers of scenes and slots in all fields, and valid values.

    Args:
        description: Fields by name, `[batch, slots, ...]`, or `[batch, ...]` where they are of the whole scene.
        num_categories: Number of categories of the model.

    Returns:
        The same description.
    """
    first_name, first = next(iter((by_object(description) or description).items()))
    result = {}
    for name, value in description.items():
        alike, words = (2, "scenes and slots") if field(name).by_object else (1, "scenes")
        conditions = {
            "hold at least one scene": tf.shape(value)[0] > 0,
            f"have as many {words} as {first_name}": tf.reduce_all(tf.shape(value)[:alike] == tf.shape(first)[:alike]),
        }
        if field(name).by_object:
            conditions[f"have at most {_MOST_SLOTS:,} slots"] = tf.shape(value)[1] <= _MOST_SLOTS
        else:
            conditions["have no axis of 0"] = tf.reduce_all(tf.shape(value)[1:] > 0)
        if value.dtype.is_floating:
            # NaN is not below anything.
            words = f"have values from {-_LARGEST_VALUE:,.0f} to {_LARGEST_VALUE:,.0f}, none NaN"
            conditions[words] = tf.reduce_all(tf.abs(value) <= _LARGEST_VALUE)
        if field(name).categorical:
            words = f"have values from 0 to {num_categories - 1}"
            conditions[words] = tf.reduce_all((value >= 0) & (value < num_categories))
        if name == PRESENCE:
            conditions["be 0 or 1"] = tf.reduce_all((value == 0.0) | (value == 1.0))
        if name == SIZES:
            conditions["be above 0 where there is an object"] = _positive_where_present(value, description[PRESENCE])
        if name == SCALE:
            conditions["be above 0"] = tf.reduce_all(value > 0.0)
        result[name] = checked(name, value, value.shape, conditions)
    return result


def _positive_where_present(sizes: tf.Tensor, presence: tf.Tensor) -> tf.Tensor:
    """Whether all sizes of objects are positive; true for other numbers of objects, which another check refuses."""
    alike = tf.reduce_all(tf.shape(sizes)[:2] == tf.shape(presence))
    return tf.cond(
        alike, lambda: tf.reduce_all((presence[..., tf.newaxis] == 0.0) | (sizes > 0.0)), lambda: tf.constant(True)
    )


def checked_image_size(image_size: tf.Tensor, scenes: tf.Tensor, largest_side: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Checks that all scenes of a request ask for the same image size, within limits.

    Args:
        image_size: Height and width in pixels, int32 `[batch, 2]`; a row for each scene, because the server's batching
            joins requests along the first axis.
        scenes: Number of scenes, scalar int32.
        largest_side: Largest height and width allowed, in pixels.

    Returns:
        Height and width in pixels, scalar int32 each.
    """
    conditions = {
        "have as many rows as there are scenes": tf.shape(image_size)[0] == scenes,
        "be the same height and width in every row": tf.reduce_all(image_size == image_size[:1]),
        f"be from {SMALLEST_SIDE} to {largest_side} pixels": sides_are_allowed(image_size, largest_side),
    }
    height, width = tf.unstack(checked("image_size", image_size, [None, 2], conditions)[0])
    return height, width
