"""Interventions on scene descriptions: LAVAE, figures 3, 6 and 7.

A description is a dictionary of arrays `[scenes, slots, ...]`, as every model that finds objects gives it and its
decoder takes it, trained or exported. An object's *place* is its location; its *look* is everything else that is said
of it. Each function returns a new description and leaves every other object exactly as it is.
"""

from collections.abc import Mapping
from typing import Union

import numpy as np

Description = dict[str, np.ndarray]
# A slot for all scenes, or one for each.
Slots = Union[int, np.ndarray]

_NOT_LOOK = ("num_objects", "presence", "locations")


def look(description: Mapping[str, np.ndarray], slots: Slots) -> Description:
    """What one object of each scene looks like: name to `[scenes, ...]`."""
    return {name: values[_each(description, slots)] for name, values in description.items() if name not in _NOT_LOOK}


def swap(description: Mapping[str, np.ndarray], first: Slots, second: Slots) -> Description:
    """Two objects change places."""
    edited = _copy(description)
    here, there = _each(description, first), _each(description, second)
    edited["locations"][here] = description["locations"][there]
    edited["locations"][there] = description["locations"][here]
    return edited


def move(description: Mapping[str, np.ndarray], slots: Slots, shift: np.ndarray) -> Description:
    """One object of each scene moves by `shift`, `[2]` or `[scenes, 2]`, pixels, y then x."""
    edited = _copy(description)
    edited["locations"][_each(description, slots)] += shift
    return edited


def restyle(description: Mapping[str, np.ndarray], slots: Slots, new_look: Mapping[str, np.ndarray]) -> Description:
    """One object of each scene looks like `new_look`, as `look` gives it, and stays where it is."""
    edited = _copy(description)
    for name, values in new_look.items():
        edited[name][_each(description, slots)] = values
    return edited


def blend(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray], weight: float) -> Description:
    """A look between two: 0 is the first, 1 the second.

    Angles go the shorter way round; categories, of which there is nothing between, change at one half.
    """
    blended = {}
    for name, one in first.items():
        other = second[name]
        if name == "angles":
            turn = np.remainder(other - one + np.pi, 2.0 * np.pi) - np.pi
            blended[name] = (one + weight * turn).astype(one.dtype)
        elif np.issubdtype(one.dtype, np.integer):
            blended[name] = other if weight >= 0.5 else one
        else:
            blended[name] = ((1.0 - weight) * one + weight * other).astype(one.dtype)
    return blended


def remove(description: Mapping[str, np.ndarray], slots: Slots) -> Description:
    """One object of each scene is no longer there; the others keep their slots."""
    edited = _copy(description)
    where = _each(description, slots)
    if "num_objects" in edited:
        edited["num_objects"] -= (description["presence"][where] > 0.5).astype(edited["num_objects"].dtype)
    for name in edited.keys() - {"num_objects"}:
        edited[name][where] = 0
    return edited


def add(description: Mapping[str, np.ndarray], location: np.ndarray, new_look: Mapping[str, np.ndarray]) -> Description:
    """One more object in each scene, in a slot of its own after all others.

    Args:
        description: of the scenes.
        location: `[2]` or `[scenes, 2]`, pixels, y then x.
        new_look: as `look` gives it.
    """
    values = {**new_look, "presence": 1.0, "locations": location}
    edited = {}
    for name, old in description.items():
        if name == "num_objects":
            edited[name] = old + 1
            continue
        slot = np.zeros_like(old[:, :1])
        slot[:, 0] = values[name]
        edited[name] = np.concatenate([old, slot], axis=1)
    return edited


def _copy(description: Mapping[str, np.ndarray]) -> Description:
    return {name: np.array(values) for name, values in description.items()}


def _each(description: Mapping[str, np.ndarray], slots: Slots) -> tuple[np.ndarray, np.ndarray]:
    """The index of one slot in each scene."""
    scenes = np.arange(len(description["presence"]))
    return scenes, np.broadcast_to(slots, scenes.shape)
