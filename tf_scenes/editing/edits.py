"""Edits of scene descriptions: LAVAE, figures 3, 6 and 7.

A description is a dictionary of arrays `[scenes, slots, ...]`, as every model that finds objects gives it and its
decoder takes it, trained or exported. An object's *place* and its *appearance* are what `tf_scenes.descriptions`
declares as such. Each function returns a new description and leaves every other object exactly as it is; boxes and the
like, which would no longer be right, are left out.
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

# A slot for all scenes, or one for each.
Slots = Union[int, np.ndarray]


def appearance_of(description: Mapping[str, np.ndarray], slots: Slots) -> Description:
    """What one object of each scene looks like: name to `[scenes, ...]`."""
    index = _each(description, slots)
    return {name: values[index] for name, values in of_role(description, Role.APPEARANCE).items()}


def swap(description: Mapping[str, np.ndarray], first: Slots, second: Slots) -> Description:
    """Two objects change places."""
    edited = _copy(description)
    here, there = _each(description, first), _each(description, second)
    edited[LOCATIONS][here] = description[LOCATIONS][there]
    edited[LOCATIONS][there] = description[LOCATIONS][here]
    return edited


def move(description: Mapping[str, np.ndarray], slots: Slots, shift: np.ndarray) -> Description:
    """One object of each scene moves by `shift`, `[2]` or `[scenes, 2]`, pixels, y then x."""
    edited = _copy(description)
    edited[LOCATIONS][_each(description, slots)] += shift
    return edited


def restyle(
    description: Mapping[str, np.ndarray], slots: Slots, new_appearance: Mapping[str, np.ndarray]
) -> Description:
    """One object of each scene looks like `new_appearance`, as `appearance_of` gives it, and stays where it is."""
    edited = _copy(description)
    for name, values in new_appearance.items():
        edited[name][_each(description, slots)] = values
    return edited


def blend(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray], weight: float) -> Description:
    """An appearance between two: 0 is the first, 1 the second.

    Angles go the shorter way round; categories, of which there is nothing between, change at one half.
    """
    return {name: _blended(name, one, second[name], weight) for name, one in first.items()}


def _blended(name: str, one: np.ndarray, other: np.ndarray, weight: float) -> np.ndarray:
    if field(name).categorical:
        return other if weight >= 0.5 else one
    if field(name).circular:
        return (one + weight * shorter_turn(other - one)).astype(one.dtype)
    return ((1.0 - weight) * one + weight * other).astype(one.dtype)


def shorter_turn(angles: np.ndarray) -> np.ndarray:
    """The same angles, radians, within half a turn in either direction."""
    return np.remainder(angles + np.pi, 2.0 * np.pi) - np.pi


def remove(description: Mapping[str, np.ndarray], slots: Slots) -> Description:
    """One object of each scene is no longer there; the others keep their slots."""
    edited, index = _copy(description), _each(description, slots)
    if NUM_OBJECTS in edited:
        edited[NUM_OBJECTS] -= is_present(description)[index].astype(edited[NUM_OBJECTS].dtype)
    for values in by_object(edited).values():
        values[index] = 0
    return edited


def add(
    description: Mapping[str, np.ndarray], location: np.ndarray, new_appearance: Mapping[str, np.ndarray]
) -> Description:
    """One more object in each scene, in a slot of its own after all others.

    Args:
        description: of the scenes.
        location: `[2]` or `[scenes, 2]`, pixels, y then x.
        new_appearance: as `appearance_of` gives it.
    """
    values, edited = {**new_appearance, PRESENCE: 1.0, LOCATIONS: location}, _copy(description)
    if NUM_OBJECTS in edited:
        edited[NUM_OBJECTS] += 1
    for name, old in by_object(edited).items():
        slot = np.zeros_like(old[:, :1])
        slot[:, 0] = values[name]
        edited[name] = np.concatenate([old, slot], axis=1)
    return edited


def _copy(description: Mapping[str, np.ndarray]) -> Description:
    kept = {name: values for name, values in description.items() if name == NUM_OBJECTS}
    return {name: np.array(values) for name, values in {**kept, **decoded(description)}.items()}


def _each(description: Mapping[str, np.ndarray], slots: Slots) -> tuple[np.ndarray, np.ndarray]:
    """The index of one slot in each scene."""
    scenes = np.arange(len(description[PRESENCE]))
    return scenes, np.broadcast_to(slots, scenes.shape)
