"""Edits of scenes in a small text file that a user writes."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Callable

import numpy as np

from tf_scenes.descriptions import Description, is_present
from tf_scenes.editing import edits
from tf_scenes.errors import UserError
from tf_scenes.files import read_lines

_HOW = (
    "a line is one of: swap A B | move A DY DX | copy A B (A looks like B) | sample A (an appearance from the prior) | "
    "blend A B WEIGHT | remove A | add Y X A (one more that looks like A) | reset (back to what was inferred); A and B "
    "are numbers of objects, distances are pixels, # begins a comment"
)
# For each word, what follows it: objects (o) and numbers (n).
_ARGUMENTS = {
    "swap": "oo",
    "move": "onn",
    "copy": "oo",
    "sample": "o",
    "blend": "oon",
    "remove": "o",
    "add": "nno",
    "reset": "",
}

# Draws appearances from the prior for a number of scenes.
SampleAppearances = Callable[[int], Description]


@dataclasses.dataclass(frozen=True)
class Edit:
    """One line of a script.

    Attributes:
        text: the line.
        word: what is done.
        objects: the objects it names.
        numbers: the numbers it gives.
    """

    text: str
    word: str
    objects: tuple[int, ...]
    numbers: tuple[float, ...]


def read_script(path: str) -> Sequence[Edit]:
    """Reads a script.

    Raises:
        UserError: no such file, or a line that cannot be read; the message names it.
    """
    script = [_read_edit(words, where) for where, words in read_lines(path, "edit_path")]
    if not script:
        raise UserError(f"{path} holds no edit: {_HOW}")
    return script


def _read_edit(words: Sequence[str], where: str) -> Edit:
    word, *arguments = words
    if word not in _ARGUMENTS:
        raise UserError(f"{where} begins with '{word}': {_HOW}")
    kinds = _ARGUMENTS[word]
    if len(arguments) != len(kinds):
        raise UserError(f"{where} has {len(arguments)} values after '{word}', {len(kinds)} are needed: {_HOW}")
    objects, numbers = [], []
    for kind, argument in zip(kinds, arguments):
        try:
            (objects if kind == "o" else numbers).append(int(argument) if kind == "o" else float(argument))
        except ValueError as error:
            raise UserError(f"{where} has '{argument}' where a number is needed: {_HOW}") from error
    if min(objects, default=0) < 0 or not all(map(math.isfinite, numbers)):
        raise UserError(f"{where}: objects are numbered from 0 on, and numbers must be finite")
    return Edit(" ".join(words), word, tuple(objects), tuple(numbers))


def most_objects(script: Sequence[Edit]) -> int:
    """How many objects a scene must have at first for every edit to find its objects; edits that add may need fewer."""
    return 1 + max((number for edit in script for number in edit.objects), default=-1)


def apply_script(
    script: Sequence[Edit], inferred: Mapping[str, np.ndarray], sample_appearances: SampleAppearances
) -> list[Description]:
    """The scenes after each edit, each made on top of those before it.

    Args:
        script: the edits.
        inferred: descriptions, see `tf_scenes.editing.edits`.
        sample_appearances: draws appearances from the prior.

    Raises:
        UserError: an edit names an object that a scene does not have.
    """
    after, scenes = [], inferred
    for edit in script:
        _check_objects(edit, scenes)
        scenes = inferred if edit.word == "reset" else _apply(edit, scenes, sample_appearances)
        after.append({name: np.array(values) for name, values in scenes.items()})
    return after


def _check_objects(edit: Edit, scenes: Mapping[str, np.ndarray]) -> None:
    presence = is_present(scenes)
    for number in edit.objects:
        missing = np.flatnonzero(~presence[:, number]) if number < presence.shape[1] else np.arange(len(presence))
        if missing.size:
            raise UserError(f"'{edit.text}' needs an object {number}, which image {missing[0]} does not have")


def _apply(edit: Edit, scenes: Mapping[str, np.ndarray], sample_appearances: SampleAppearances) -> Description:
    objects, numbers = edit.objects, np.array(edit.numbers, np.float32)
    if edit.word == "swap":
        return edits.swap(scenes, *objects)
    if edit.word == "move":
        return edits.move(scenes, objects[0], numbers)
    if edit.word == "remove":
        return edits.remove(scenes, objects[0])
    if edit.word == "add":
        return edits.add(scenes, numbers, edits.appearance_of(scenes, objects[0]))
    if edit.word == "sample":
        return edits.restyle(scenes, objects[0], sample_appearances(len(is_present(scenes))))
    own, other = (edits.appearance_of(scenes, number) for number in objects)
    return edits.restyle(scenes, objects[0], edits.blend(own, other, numbers[0]) if len(numbers) else other)
