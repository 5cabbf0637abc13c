"""Scene scripts: text files in which a user describes a scene."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from tf_scenes.descriptions import (
    ANGLES,
    ATTRIBUTES,
    CATEGORY,
    LOCATIONS,
    NUM_OBJECTS,
    PRESENCE,
    SIZES,
    Description,
)
from tf_scenes.errors import UserError
from tf_scenes.files import read_lines

_SYNTAX = (
    "a line is: category x y size angle [attributes], e.g. 'square 20 45 24 30'; x and y (of the object's middle) and "
    "size are in pixels, angle is in degrees; # begins a comment"
)

# Numbers that networks and transformations of images can compute with.
_LARGEST, _SMALLEST_SIZE = 1_000_000, 0.01


@dataclasses.dataclass(frozen=True)
class ScriptedObject:
    """One line of a scene script.

    Attributes:
        category: Number of the category.
        x: Horizontal position of the object's middle in pixels.
        y: Vertical position of the object's middle in pixels, downwards.
        size: Side of the object's square frame in pixels.
        angle: Angle in radians.
        attributes: Values of z_attr.
    """

    category: int
    x: float
    y: float
    size: float
    angle: float
    attributes: tuple[float, ...]


def read_scene(
    path: str, categories: dict[str, int], num_categories: int, num_attributes: int
) -> Sequence[ScriptedObject]:
    """Reads a scene script.

    Args:
        path: Path of the file, which has a line for each object with its category (a name or a number), x, y, size,
            angle in degrees and up to `num_attributes` attributes (0 if left out); `#` begins a comment.
        categories: Numbers of the categories that have names, by name.
        num_categories: Number of categories; each may also be given by its number, from 0.
        num_attributes: Number of attributes of an object.

    Raises:
        UserError: If the file cannot be read, has no object, or has an invalid line, which the message then names.
    """
    objects = [
        _read_object(words, where, categories, num_categories, num_attributes)
        for where, words in read_lines(path, "scene_path")
    ]
    if not objects:
        raise UserError(f"{path} describes no object: {_SYNTAX}")
    return objects


def _read_object(
    words: Sequence[str], where: str, categories: dict[str, int], num_categories: int, num_attributes: int
) -> ScriptedObject:
    if not 5 <= len(words) <= 5 + num_attributes:
        raise UserError(
            f"{where} has {len(words)} values, 5 at least and {5 + num_attributes} at most are needed: {_SYNTAX}"
        )
    numbers = {**{str(number): number for number in range(num_categories)}, **categories}
    if words[0] not in numbers:
        allowed = ", ".join([*categories, f"0 to {num_categories - 1}"])
        raise UserError(f"{where} has the category '{words[0][:50]}': allowed are {allowed}")
    try:
        x, y, size, angle, *attributes = (float(word) for word in words[1:])
    except ValueError as error:
        raise UserError(f"{where} has a value that is not a number: {_SYNTAX}") from error
    if not all(abs(number) <= _LARGEST for number in (x, y, size, angle, *attributes)) or size < _SMALLEST_SIZE:
        raise UserError(
            f"{where}: numbers must lie between -{_LARGEST:,} and {_LARGEST:,}, and the size must be at least "
            f"{_SMALLEST_SIZE}"
        )
    attributes = tuple(attributes) + (0.0,) * (num_attributes - len(attributes))
    return ScriptedObject(numbers[words[0]], x, y, size, math.radians(angle), attributes)


def scripted_description(objects: Sequence[ScriptedObject], example: Mapping[str, np.ndarray]) -> Description:
    """The description of the scene in a script, with the fields of a model.

    Args:
        objects: Objects of the scene.
        example: Any description by the model, `[scenes, len(objects), ...]`, whose fields the result has. Fields that
            scene scripts do not specify are 0.
    """
    description = {name: np.zeros_like(values[:1]) for name, values in example.items()}
    description[NUM_OBJECTS][:] = len(objects)
    for slot, each in enumerate(objects):
        values = {
            PRESENCE: 1.0,
            LOCATIONS: (each.y, each.x),
            SIZES: (each.size, each.size),
            CATEGORY: each.category,
            ANGLES: each.angle,
            ATTRIBUTES: each.attributes,
        }
        for name in description.keys() & values.keys():
            description[name][0, slot] = values[name]
    return description
