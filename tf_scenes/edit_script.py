"""Edits of scenes in a small text file that a user writes."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Callable

import numpy as np

from tf_scenes import editing
from tf_scenes.data import files
from tf_scenes.errors import UserError

_HOW = (
    "a line is one of: swap A B | move A DY DX | copy A B (A looks like B) | sample A (a look from the prior) | "
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

# Looks from the prior for a number of scenes.
SampleLooks = Callable[[int], editing.Description]


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
    edits = [_read_edit(words, where) for where, words in files.read_lines(path, "edit_path")]
    if not edits:
        raise UserError(f"{path} holds no edit: {_HOW}")
    return edits


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


def most_objects(edits: Sequence[Edit]) -> int:
    """How many objects a scene must have at first for every edit to find its objects; edits that add may need fewer."""
    return 1 + max((number for edit in edits for number in edit.objects), default=-1)


def apply_script(
    edits: Sequence[Edit], inferred: Mapping[str, np.ndarray], sample_looks: SampleLooks
) -> list[editing.Description]:
    """The scenes after each edit, each made on top of those before it.

    Args:
        edits: of the script.
        inferred: descriptions, see `editing`.
        sample_looks: draws looks from the prior.

    Raises:
        UserError: an edit names an object that a scene does not have.
    """
    after, scenes = [], inferred
    for edit in edits:
        _check_objects(edit, scenes)
        scenes = inferred if edit.word == "reset" else _apply(edit, scenes, sample_looks)
        after.append({name: np.array(values) for name, values in scenes.items()})
    return after


def _check_objects(edit: Edit, scenes: Mapping[str, np.ndarray]) -> None:
    presence = scenes["presence"] > 0.5
    for number in edit.objects:
        missing = np.flatnonzero(~presence[:, number]) if number < presence.shape[1] else np.arange(len(presence))
        if missing.size:
            raise UserError(f"'{edit.text}' needs an object {number}, which image {missing[0]} does not have")


def _apply(edit: Edit, scenes: Mapping[str, np.ndarray], sample_looks: SampleLooks) -> editing.Description:
    objects, numbers = edit.objects, np.array(edit.numbers, np.float32)
    if edit.word == "swap":
        return editing.swap(scenes, *objects)
    if edit.word == "move":
        return editing.move(scenes, objects[0], numbers)
    if edit.word == "remove":
        return editing.remove(scenes, objects[0])
    if edit.word == "add":
        return editing.add(scenes, numbers, editing.look(scenes, objects[0]))
    if edit.word == "sample":
        return editing.restyle(scenes, objects[0], sample_looks(len(scenes["presence"])))
    own, other = (editing.look(scenes, number) for number in objects)
    return editing.restyle(scenes, objects[0], editing.blend(own, other, numbers[0]) if len(numbers) else other)
