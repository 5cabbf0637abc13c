"""Scene descriptions: what a model says about a scene, and what its decoder draws.

A description is a dictionary of tensors or arrays by field name; exported models use the same names. Every field is
declared here once, with all that the rest of the package needs to know about it: whether edits may change it, how
distances are measured, whether decoders take it. If your own model has new fields, declare them with `declare`.
"""

import dataclasses
import enum
from collections.abc import Mapping
from typing import Union

import numpy as np
import tensorflow as tf

# Smallest height and width of an image that a model takes, in pixels.
SMALLEST_SIDE = 8
# And the largest that any flag allows.
LARGEST_SIDE = 65_536

Description = dict[str, np.ndarray]
# A tensor or an array.
Values = Union[tf.Tensor, np.ndarray]


class Role(enum.Enum):
    """What a field says about a scene."""

    PRESENCE = "whether there is an object in a slot, 1 or 0"
    PLACE = "where an object is"
    APPEARANCE = "everything about an object that is not its place: edits that move the object leave it as it is"
    DERIVED = "a consequence of other fields, which decoders therefore do not take"
    SCENE = "the scene as a whole, not divided into objects"


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of scene descriptions.

    Attributes:
        name: Key in descriptions, and name of the input or output of exported models.
        role: What the field says about a scene.
        by_object: Whether the field has a value for each object, `[batch, slots, ...]`, which is 0 in empty slots.
        circular: Whether values are angles in radians, so that those that differ by a full turn are equal.
        categorical: Whether values are numbers of categories, from 0, without an order.
        in_pixels: Whether values are in pixels of the image, y then x: a point or, unless it is the object's place, a
            length.
    """

    name: str
    role: Role
    by_object: bool = True
    circular: bool = False
    categorical: bool = False
    in_pixels: bool = False

    @property
    def decoded(self) -> bool:
        """Whether decoders take the field."""
        return self.role is not Role.DERIVED


_FIELDS: dict[str, Field] = {}


def declare(field: Field) -> str:
    """Declares a field that descriptions may have, and returns its name.

    Raises:
        ValueError: If a different field with that name was declared before.
    """
    if _FIELDS.setdefault(field.name, field) != field:
        raise ValueError(f"there is another field '{field.name}': {_FIELDS[field.name]}")
    return field.name


# int32 [batch].
NUM_OBJECTS = declare(Field("num_objects", Role.DERIVED, by_object=False))
# float32 [batch, slots].
PRESENCE = declare(Field("presence", Role.PRESENCE))
# float32 [batch, slots, 2], y then x in pixels.
LOCATIONS = declare(Field("locations", Role.PLACE, in_pixels=True))
# float32 [batch, slots, 2], height and width of the glimpse in pixels.
SIZES = declare(Field("sizes", Role.APPEARANCE, in_pixels=True))
# float32 [batch, slots, D], a Gaussian vector.
APPEARANCE = declare(Field("appearance", Role.APPEARANCE))
# int32 [batch, slots].
CATEGORY = declare(Field("category", Role.APPEARANCE, categorical=True))
# float32 [batch, slots], radians.
ANGLES = declare(Field("angles", Role.APPEARANCE, circular=True))
# float32 [batch, slots, 2 or 4], before tanh.
DEFORMATIONS = declare(Field("deformations", Role.APPEARANCE))
# float32 [batch, slots, attributes].
ATTRIBUTES = declare(Field("attributes", Role.APPEARANCE))
# float32 [batch, slots, 4]: ymin, xmin, ymax, xmax as fractions of the canvas.
BOXES = declare(Field("boxes", Role.DERIVED))
# float32 [batch, slots, 2, 3], the affine map from a sprite to the canvas.
WHERE = declare(Field("where", Role.DERIVED))
# int32 [batch, height, width]: 0 for the background, i + 1 for the object of slot i.
MASKS = declare(Field("masks", Role.DERIVED, by_object=False))
# float32 [batch, h, w, channels].
LATENTS = declare(Field("latents", Role.SCENE, by_object=False))
# float32 [batch, h, w, channels], Gaussian latents of a coarse grid.
BACKGROUND = declare(Field("background", Role.SCENE, by_object=False))
# float32 [batch, 2]: brightness of the background and signed contrast of the objects, in the picture's unit.
LEVELS = declare(Field("levels", Role.SCENE, by_object=False))
# float32 [batch]: how much the picture was enlarged before its objects were inferred; their sprites are drawn smaller.
SCALE = declare(Field("scale", Role.SCENE, by_object=False))


def field(name: str) -> Field:
    """The field with a name.

    Raises:
        KeyError: If no field with that name was declared.
    """
    if name not in _FIELDS:
        raise KeyError(f"'{name}' is not a field of scene descriptions: declare it, see tf_scenes/descriptions.py")
    return _FIELDS[name]


def has_objects(description: Mapping[str, Values]) -> bool:
    """Whether a description consists of objects, as those of all models that find objects do."""
    return PRESENCE in description


def is_present(description: Mapping[str, Values]) -> Values:
    """Whether there is an object in each slot: bool `[batch, slots]`."""
    return description[PRESENCE] > 0.5


def by_object(description: Mapping[str, Values]) -> dict[str, Values]:
    """The fields that have a value for each object."""
    return {name: values for name, values in description.items() if field(name).by_object}


def of_role(description: Mapping[str, Values], role: Role) -> dict[str, Values]:
    """The fields with a given role."""
    return {name: values for name, values in description.items() if field(name).role is role}


def decoded(description: Mapping[str, Values]) -> dict[str, Values]:
    """The fields that decoders take."""
    return {name: values for name, values in description.items() if field(name).decoded}


def as_arrays(description: Mapping[str, Union[tf.Tensor, np.ndarray]]) -> Description:
    """A description with NumPy arrays that may be written to, in place of tensors or others."""
    return {name: np.array(value) for name, value in description.items()}


def as_tensors(description: Mapping[str, np.ndarray]) -> dict[str, tf.Tensor]:
    """A description with tensors in place of NumPy arrays."""
    return {name: tf.constant(value) for name, value in description.items()}


def describe(presence: tf.Tensor, values: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """A description of objects, with 0 in all fields of empty slots.

    Args:
        presence: Whether there is an object in each slot, 0 or 1, float32 `[batch, slots]`.
        values: All other fields by name, except the number of objects, `[batch, slots, ...]`.
    """
    return {
        NUM_OBJECTS: tf.cast(tf.reduce_sum(presence, axis=1), tf.int32),
        PRESENCE: presence,
        **only_present(presence, values),
    }


def only_present(presence: tf.Tensor, values: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Sets fields to 0 in empty slots; the arguments are those of `describe`."""
    return {name: value * tf.cast(_expanded(presence, value), value.dtype) for name, value in values.items()}


def _expanded(presence: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Presence with trailing axes of length 1, as many as the value has: `[batch, slots, 1, ...]`."""
    return presence[(..., *[tf.newaxis] * (len(value.shape) - 2))]
