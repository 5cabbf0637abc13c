"""Scene descriptions: what a model says about a scene, and what its decoder takes.

A description is a dictionary of tensors or arrays, one for each field, whose names are those of the exported models.
Here every field is declared once, with all that the rest of the package needs to know of it: what an edit may change,
how distances are measured, what a decoder takes. A model of your own declares its new fields with `declare`.
"""

import dataclasses
import enum
from collections.abc import Mapping
from typing import Union

import numpy as np
import tensorflow as tf

Description = dict[str, np.ndarray]
# A tensor or an array.
Values = Union[tf.Tensor, np.ndarray]


class Role(enum.Enum):
    """What a field says about a scene."""

    PRESENCE = "whether there is an object in a slot, 1 or 0"
    PLACE = "where an object is"
    APPEARANCE = "everything else about an object: what an edit carries along when an object moves"
    DERIVED = "what follows from the other fields: no decoder takes it"
    SCENE = "the whole scene, without objects"


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of scene descriptions.

    Attributes:
        name: key of the description, and name of the exported models' input or output.
        role: what it says.
        by_object: whether it is `[batch, slots, ...]`, a value for each object, and 0 where there is none.
        circular: whether values are angles, in radians: those that differ by a full turn are the same.
        categorical: whether values are whole numbers without an order, from 0 on.
    """

    name: str
    role: Role
    by_object: bool = True
    circular: bool = False
    categorical: bool = False

    @property
    def decoded(self) -> bool:
        """Whether a decoder takes it."""
        return self.role is not Role.DERIVED


_FIELDS: dict[str, Field] = {}


def declare(field: Field) -> str:
    """Adds a field to those that descriptions may have, and gives its name.

    Raises:
        ValueError: there is another field of that name.
    """
    if _FIELDS.setdefault(field.name, field) != field:
        raise ValueError(f"there is another field '{field.name}': {_FIELDS[field.name]}")
    return field.name


# int32 [batch].
NUM_OBJECTS = declare(Field("num_objects", Role.DERIVED, by_object=False))
# float32 [batch, slots].
PRESENCE = declare(Field("presence", Role.PRESENCE))
# float32 [batch, slots, 2], pixels, y then x.
LOCATIONS = declare(Field("locations", Role.PLACE))
# float32 [batch, slots, 2], height and width of the glimpse, pixels.
SIZES = declare(Field("sizes", Role.APPEARANCE))
# float32 [batch, slots, D], a Gaussian vector.
APPEARANCE = declare(Field("appearance", Role.APPEARANCE))
# int32 [batch, slots].
CATEGORY = declare(Field("category", Role.APPEARANCE, categorical=True))
# float32 [batch, slots], radians.
ANGLES = declare(Field("angles", Role.APPEARANCE, circular=True))
# float32 [batch, slots, 2 or 4], before their tanh.
DEFORMATIONS = declare(Field("deformations", Role.APPEARANCE))
# float32 [batch, slots, attributes].
ATTRIBUTES = declare(Field("attributes", Role.APPEARANCE))
# float32 [batch, slots, 4]: ymin, xmin, ymax, xmax, shares of the canvas.
BOXES = declare(Field("boxes", Role.DERIVED))
# float32 [batch, slots, 2, 3], the affine map of a sprite to the canvas.
WHERE = declare(Field("where", Role.DERIVED))
# float32 [batch, h, w, channels].
LATENTS = declare(Field("latents", Role.SCENE, by_object=False))


def field(name: str) -> Field:
    """The field of a name.

    Raises:
        KeyError: no field of that name was declared.
    """
    if name not in _FIELDS:
        raise KeyError(f"'{name}' is no field of scene descriptions: declare it, see tf_scenes/descriptions.py")
    return _FIELDS[name]


def has_objects(description: Mapping[str, Values]) -> bool:
    """Whether a description says what objects there are."""
    return PRESENCE in description


def is_present(description: Mapping[str, Values]) -> Values:
    """Whether there is an object in each slot: bool `[batch, slots]`."""
    return description[PRESENCE] > 0.5


def by_object(description: Mapping[str, Values]) -> dict[str, Values]:
    """The fields that have a value for each object."""
    return {name: values for name, values in description.items() if field(name).by_object}


def of_role(description: Mapping[str, Values], role: Role) -> dict[str, Values]:
    """The fields of one role."""
    return {name: values for name, values in description.items() if field(name).role is role}


def decoded(description: Mapping[str, Values]) -> dict[str, Values]:
    """The fields that a decoder takes."""
    return {name: values for name, values in description.items() if field(name).decoded}


def as_arrays(description: Mapping[str, tf.Tensor]) -> Description:
    """A description's tensors as arrays of NumPy."""
    return {name: value.numpy() for name, value in description.items()}


def describe(presence: tf.Tensor, values: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """A description of objects, in which everything about an object that is not present is 0.

    Args:
        presence: float32 `[batch, slots]`, 0 or 1.
        values: the fields beside presence and number of objects, `[batch, slots, ...]`.
    """
    return {
        NUM_OBJECTS: tf.cast(tf.reduce_sum(presence, axis=1), tf.int32),
        PRESENCE: presence,
        **only_present(presence, values),
    }


def only_present(presence: tf.Tensor, values: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Fields with 0 where no object is present; `presence` as in `describe`."""
    return {name: value * tf.cast(_expanded(presence, value), value.dtype) for name, value in values.items()}


def _expanded(presence: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Presence with axes of 1 behind, as many as the value has: `[batch, slots, 1, ...]`."""
    return presence[(..., *[tf.newaxis] * (len(value.shape) - 2))]
