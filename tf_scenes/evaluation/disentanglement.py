"""How well one object can be changed in latent space without changing anything else.

LAVAE's paper shows this in pictures (figures 3, 6 and 7); here it is measured. A scene is inferred, one object's
latents are edited, and the edited scene is drawn and inferred again. The edited object should have changed as
requested, and everything else not at all.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, Callable, Optional

import numpy as np
import tensorflow as tf

from tf_scenes.data.datasets import Dataset
from tf_scenes.descriptions import (
    CATEGORY,
    LOCATIONS,
    NUM_OBJECTS,
    Description,
    Role,
    as_arrays,
    by_object,
    field,
    is_present,
    of_role,
)
from tf_scenes.editing import edits
from tf_scenes.evaluation.metrics import match_locations
from tf_scenes.evaluation.progress_bar import with_progress
from tf_scenes.models.scene_model import SceneModel

_SEED = 30_300
_PRIOR_SCENES = 2_000
_PLACE_ATTEMPTS = 64
# Standard deviation of an angle that is uniform on the circle.
_UNIFORM_ANGLE = np.pi / np.sqrt(3.0)


@dataclasses.dataclass(frozen=True)
class _Edit:
    """An edit of a batch of scenes.

    Attributes:
        description: Edited description.
        edited: Whether each object is to change, bool `[scenes, slots]`.
        possible: Whether the edit is possible in each scene, bool `[scenes]`.
    """

    description: Description
    edited: np.ndarray
    possible: np.ndarray


class AppearanceDistance:
    """Distance between two appearances, in standard deviations of the prior.

    The difference in each continuous variable is divided by its standard deviation under the prior; the distance is the
    root mean square over all variables. Categories have no distance and are left out.
    """

    def __init__(self, prior: Mapping[str, np.ndarray]):
        """Creates the distance.

        Args:
            prior: Descriptions drawn from the prior, by which the standard deviations are estimated.
        """
        present = is_present(prior)
        self._scales = {
            name: _UNIFORM_ANGLE if field(name).circular else values[present].std(axis=0) + 1e-6
            for name, values in of_role(prior, Role.APPEARANCE).items()
            if not field(name).categorical
        }

    def __call__(self, first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> np.ndarray:
        """Distance between appearances of the same objects: fields `[objects, ...]` -> `[objects]`."""
        squares = []
        for name, scale in self._scales.items():
            difference = second[name] - first[name]
            if field(name).circular:
                difference = edits.shorter_turn(difference)
            squares.append(((difference / scale) ** 2).reshape(len(difference), -1))
        return np.sqrt(np.concatenate(squares, axis=1).mean(axis=1))


def disentanglement(
    model: SceneModel, dataset: Dataset, split_name: str, num_images: int, clearance: float, batch_size: int
) -> dict[str, dict[str, Any]]:
    """Measures what changes when one object is edited.

    Only scenes in which at least two objects are found are used, so that there is always another object that could
    change by mistake. The edits are: `none`, the control, which draws a scene and infers it again without a change;
    `move`, which moves an object to a free place; `swap`, which exchanges the places of two objects; `restyle`, which
    gives an object the appearance of an object of another scene.

    Args:
        model: Trained model that finds objects.
        dataset: Data set.
        split_name: Name of a held-out split.
        num_images: Number of images, taken from the start of the split.
        clearance: Distance that a moved object keeps from all others, in pixels; it keeps half of it from the border.
        batch_size: Number of images in a batch.

    Returns:
        Measures by name, for each edit by name: `scenes`, the number of scenes in which the edit was made;
        `count_kept`, the fraction of them in which as many objects are found as were drawn. In this fraction, means
        over objects: `asked_move` and `asked_restyle`, the change that was requested of the edited objects;
        `edited_location_error` and `edited_appearance_error`, their distance from the request; `other_location_change`
        and `other_appearance_change`, the change of all other objects. Locations are in pixels, appearances in standard
        deviations of the prior. For models with categories also `edited_category_kept` and `other_category_kept`, the
        fractions of objects whose category is found as it was drawn.
    """
    height, width, _ = dataset.image_shape
    distance = AppearanceDistance(
        as_arrays(model.sample_description(_PRIOR_SCENES, height, width, tf.constant([_SEED, 0]), from_prior=True))
    )
    function = functools.partial(tf.function, reduce_retracing=True, autograph=False)
    encode, decode = function(model.encode), function(lambda description: model.decode(description, height, width))
    random, found = np.random.default_rng(_SEED), {}
    batches = dataset.evaluation_batches(split_name, batch_size, limit=num_images)
    for batch in with_progress(batches, f"Describing {split_name}"):
        description = as_arrays(encode(batch["images"]))
        description = {name: values[description[NUM_OBJECTS] >= 2] for name, values in description.items()}
        if len(description[NUM_OBJECTS]) < 2:
            continue
        for name, make in _EDITS.items():
            edit = make(description, random, (height, width), clearance)
            again = as_arrays(encode(decode(edit.description)))
            found.setdefault(name, []).extend(_compare(description, edit, again, distance))
    return {name: _summary(scenes) for name, scenes in found.items()}


# Edits.


def _none(description: Description, random: np.random.Generator, size: tuple[int, int], clearance: float) -> _Edit:
    present = is_present(description)
    return _Edit(description, np.zeros_like(present), np.ones(len(present), bool))


def _move(description: Description, random: np.random.Generator, size: tuple[int, int], clearance: float) -> _Edit:
    slots = _choose(description, random)
    places = [
        _free_place(description[LOCATIONS][scene], is_present(description)[scene], slot, random, size, clearance)
        for scene, slot in enumerate(slots)
    ]
    possible = np.array([place is not None for place in places])
    scenes = np.arange(len(slots))
    here = description[LOCATIONS][scenes, slots]
    there = np.array([old if place is None else place for old, place in zip(here, places)])
    return _Edit(edits.move(description, slots, there - here), _mask(description, slots), possible)


def _swap(description: Description, random: np.random.Generator, size: tuple[int, int], clearance: float) -> _Edit:
    first, second = _choose(description, random), _choose(description, random)
    edited = _mask(description, first) | _mask(description, second)
    return _Edit(edits.swap(description, first, second), edited, first != second)


def _restyle(description: Description, random: np.random.Generator, size: tuple[int, int], clearance: float) -> _Edit:
    slots, others = _choose(description, random), _choose(description, random)
    new_appearance = {
        name: np.roll(values, 1, axis=0) for name, values in edits.appearance_of(description, others).items()
    }
    edited = edits.restyle(description, slots, new_appearance)
    return _Edit(edited, _mask(description, slots), np.ones(len(slots), bool))


_EDITS: dict[str, Callable[..., _Edit]] = {"none": _none, "move": _move, "swap": _swap, "restyle": _restyle}


def _choose(description: Description, random: np.random.Generator) -> np.ndarray:
    """Draws the slot of an object in each scene, `[scenes]`."""
    weights = random.random(is_present(description).shape) * (is_present(description))
    return weights.argmax(axis=1)


def _mask(description: Description, slots: np.ndarray) -> np.ndarray:
    return np.arange(is_present(description).shape[1]) == slots[:, None]


def _free_place(
    locations: np.ndarray,
    present: np.ndarray,
    slot: int,
    random: np.random.Generator,
    size: tuple[int, int],
    clearance: float,
) -> Optional[np.ndarray]:
    """A place for one object at a distance from all others, or None; in whole pixels, like LAVAE's locations."""
    others = locations[present & (np.arange(len(present)) != slot)]
    margin = clearance / 2.0
    for place in random.uniform(margin, np.array(size) - 1.0 - margin, (_PLACE_ATTEMPTS, 2)).round():
        if np.linalg.norm(others - place, axis=1).min() >= clearance:
            return place.astype(np.float32)
    return None


# Comparison of scenes before and after edits.


def _compare(
    before: Description, edit: _Edit, again: Description, distance: AppearanceDistance
) -> list[dict[str, np.ndarray]]:
    """Measures by object, for each scene in which the edit was possible; only `kept` if numbers of objects differ."""
    scenes = []
    for scene in np.flatnonzero(edit.possible):
        drawn = np.flatnonzero(is_present(edit.description)[scene])
        seen = np.flatnonzero(is_present(again)[scene])
        if len(drawn) != len(seen):
            scenes.append({"kept": np.array([False])})
            continue
        locations = edit.description[LOCATIONS][scene, drawn], again[LOCATIONS][scene, seen]
        _, order = match_locations(*locations)
        old, asked, got = (
            {name: values[scene, slots] for name, values in by_object(description).items()}
            for description, slots in ((before, drawn), (edit.description, drawn), (again, seen[order]))
        )
        scenes.append(
            {
                "kept": np.array([True]),
                "edited": edit.edited[scene, drawn],
                "move": _lengths(asked[LOCATIONS] - old[LOCATIONS]),
                "restyle": distance(old, asked),
                "location": _lengths(got[LOCATIONS] - asked[LOCATIONS]),
                "appearance": distance(asked, got),
                **({CATEGORY: got[CATEGORY] == asked[CATEGORY]} if CATEGORY in asked else {}),
            }
        )
    return scenes


def _lengths(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=-1)


def _summary(scenes: list[dict[str, np.ndarray]]) -> dict[str, Any]:
    kept = [scene for scene in scenes if scene["kept"][0]]
    summary = {"scenes": len(scenes), "count_kept": len(kept) / len(scenes) if scenes else None}
    if not kept:
        return summary
    objects = {name: np.concatenate([scene[name] for scene in kept]) for name in kept[0]}
    edited = objects["edited"]
    measures = {
        "asked_move": objects["move"][edited],
        "asked_restyle": objects["restyle"][edited],
        "edited_location_error": objects["location"][edited],
        "edited_appearance_error": objects["appearance"][edited],
        "other_location_change": objects["location"][~edited],
        "other_appearance_change": objects["appearance"][~edited],
    }
    if CATEGORY in objects:
        measures["edited_category_kept"] = objects[CATEGORY][edited]
        measures["other_category_kept"] = objects[CATEGORY][~edited]
    return {**summary, **{name: float(values.mean()) for name, values in measures.items() if values.size}}
