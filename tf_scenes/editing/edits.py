"""Edits of scene descriptions: LAVAE, figures 3, 6 and 7.

Descriptions here are dictionaries of arrays `[scenes, slots, ...]`, such as any model that finds objects, trained or
exported, infers and decodes. Which fields are an object's *place* and which its *appearance* is declared in
`tf_scenes.descriptions`. Each function returns a new description in which all other objects are exactly as before.
Fields derived from others, such as boxes, are left out, because an edit can make them wrong.
"""

from collections.abc import Mapping
from typing import Union

import numpy as np

from tf_scenes.descriptions import (
    LOCATIONS,
    NUM_OBJECTS,
    PRESENCE,
    Description,
    Role,
    by_object,
    decoded,
    field,
    is_present,
    of_role,
)

# One slot for all scenes, or one for each scene, int [scenes].
Slots = Union[int, np.ndarray]


def appearance_of(description: Mapping[str, np.ndarray], slots: Slots) -> Description:
    """Appearance of one object of each scene: fields `[scenes, ...]` by name."""
    index = _each(description, slots)
    return {name: values[index] for name, values in of_role(description, Role.APPEARANCE).items()}


def swap(description: Mapping[str, np.ndarray], first: Slots, second: Slots) -> Description:
    """Exchanges the places of two objects of each scene."""
    edited = _copy(description)
    here, there = _each(description, first), _each(description, second)
    for name, values in of_role(description, Role.PLACE).items():
        edited[name][here], edited[name][there] = values[there], values[here]
    return edited


def move(description: Mapping[str, np.ndarray], slots: Slots, shift: np.ndarray) -> Description:
    """Moves one object of each scene by `shift`, `[2]` or `[scenes, 2]`, y then x in pixels."""
    edited = _copy(description)
    edited[LOCATIONS][_each(description, slots)] += shift
    return edited


def restyle(
    description: Mapping[str, np.ndarray], slots: Slots, new_appearance: Mapping[str, np.ndarray]
) -> Description:
    """Gives one object of each scene a new appearance, in the form that `appearance_of` returns, at the same place."""
    edited = _copy(description)
    for name, values in new_appearance.items():
        edited[name][_each(description, slots)] = values
    return edited


def blend(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray], weight: float) -> Description:
    """Interpolates between two appearances: a weight of 0 gives the first, 1 the second.

    Angles turn the shorter way; categories, which cannot be interpolated, change at a weight of 0.5.
    """
    return {name: _blended(name, one, second[name], weight) for name, one in first.items()}


def _blended(name: str, one: np.ndarray, other: np.ndarray, weight: float) -> np.ndarray:
    if field(name).categorical:
        return other if weight >= 0.5 else one
    if field(name).circular:
        return (one + weight * shorter_turn(other - one)).astype(one.dtype)
    return ((1.0 - weight) * one + weight * other).astype(one.dtype)


def shorter_turn(angles: np.ndarray) -> np.ndarray:
    """Equivalent angles within half a turn in either direction, in radians."""
    return np.remainder(angles + np.pi, 2.0 * np.pi) - np.pi


def remove(description: Mapping[str, np.ndarray], slots: Slots) -> Description:
    """Removes one object of each scene; the others keep their slots."""
    edited, index = _copy(description), _each(description, slots)
    if NUM_OBJECTS in edited:
        edited[NUM_OBJECTS] -= is_present(description)[index].astype(edited[NUM_OBJECTS].dtype)
    for values in by_object(edited).values():
        values[index] = 0
    return edited


def add(
    description: Mapping[str, np.ndarray], location: np.ndarray, new_appearance: Mapping[str, np.ndarray]
) -> Description:
    """Adds an object to each scene, in a new slot after all others.

    Args:
        description: Descriptions of the scenes.
        location: Location of the object, `[2]` or `[scenes, 2]`, y then x in pixels.
        new_appearance: Appearance of the object, in the form that `appearance_of` returns.
    """
    values, edited = {**new_appearance, PRESENCE: 1.0, LOCATIONS: location}, _copy(description)
    if NUM_OBJECTS in edited:
        edited[NUM_OBJECTS] += 1
    for name, old in by_object(edited).items():
        new_slot = np.zeros_like(old[:, :1])
        new_slot[:, 0] = values.get(name, 0)
        edited[name] = np.concatenate([old, new_slot], axis=1)
    return edited


def _copy(description: Mapping[str, np.ndarray]) -> Description:
    kept = {name: values for name, values in description.items() if name == NUM_OBJECTS}
    return {name: np.array(values) for name, values in {**kept, **decoded(description)}.items()}


def _each(description: Mapping[str, np.ndarray], slots: Slots) -> tuple[np.ndarray, np.ndarray]:
    """NumPy index that selects one slot of each scene."""
    scenes = np.arange(len(description[PRESENCE]))
    return scenes, np.broadcast_to(slots, scenes.shape)
