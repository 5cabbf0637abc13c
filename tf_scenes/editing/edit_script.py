"""Edit scripts: text files in which a user writes edits of scenes."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Callable

import numpy as np

from tf_scenes.descriptions import Description, is_present
from tf_scenes.editing import edits
from tf_scenes.errors import UserError
from tf_scenes.files import read_lines

_SYNTAX = (
    "a line is one of: swap A B (exchanges their places) | move A DY DX | copy A B (makes A look like B) | sample A "
    "(gives A an appearance from the prior) | blend A B WEIGHT (makes A look more like B) | remove A | add Y X A (adds "
    "an object that looks like A) | reset (undoes all edits); A and B are numbers of objects, distances are in pixels, "
    "# begins a comment"
)
# Kinds of the arguments of each command: object (o) or number (n).
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

# More than any model finds, and pixels beyond any picture.
_LARGEST_OBJECT, _LARGEST = 9_999, 1_000_000

# Function that draws a given number of appearances from the prior.
SampleAppearances = Callable[[int], Description]


@dataclasses.dataclass(frozen=True)
class Edit:
    """One line of an edit script.

    Attributes:
        text: Text of the line.
        word: Command, the first word of the line.
        objects: Object arguments of the command.
        numbers: Number arguments of the command.
    """

    text: str
    word: str
    objects: tuple[int, ...]
    numbers: tuple[float, ...]


def read_script(path: str) -> Sequence[Edit]:
    """Reads an edit script.

    Raises:
        UserError: If the file cannot be read, has no edit, or has an invalid line, which the message then names.
    """
    script = [_read_edit(words, where) for where, words in read_lines(path, "edit_path")]
    if not script:
        raise UserError(f"{path} holds no edit: {_SYNTAX}")
    return script


def _read_edit(words: Sequence[str], where: str) -> Edit:
    word, *arguments = words
    if word not in _ARGUMENTS:
        raise UserError(f"{where} begins with '{word}', which is not an edit: {_SYNTAX}")
    kinds = _ARGUMENTS[word]
    if len(arguments) != len(kinds):
        raise UserError(f"{where} has {len(arguments)} values after '{word}', {len(kinds)} are needed: {_SYNTAX}")
    objects, numbers = [], []
    for kind, argument in zip(kinds, arguments):
        try:
            (objects if kind == "o" else numbers).append(int(argument) if kind == "o" else float(argument))
        except ValueError as error:
            raise UserError(f"{where} has '{argument}' where a number is needed: {_SYNTAX}") from error
    if not all(0 <= number <= _LARGEST_OBJECT for number in objects):
        raise UserError(f"{where}: objects are numbered from 0, and not beyond {_LARGEST_OBJECT:,}")
    if not all(abs(number) <= _LARGEST for number in numbers):  # Any comparison with NaN is false.
        raise UserError(f"{where}: numbers must lie between -{_LARGEST:,} and {_LARGEST:,}")
    return Edit(" ".join(words), word, tuple(objects), tuple(numbers))


def most_objects(script: Sequence[Edit]) -> int:
    """Number of inferred objects with which every edit finds its objects; if the script adds some, fewer may do."""
    return 1 + max((number for edit in script for number in edit.objects), default=-1)


def apply_script(
    script: Sequence[Edit], inferred: Mapping[str, np.ndarray], sample_appearances: SampleAppearances
) -> list[Description]:
    """Applies the edits of a script to scenes, each edit to the result of those before it.

    Args:
        script: Edits.
        inferred: Descriptions of the scenes, see `tf_scenes.editing.edits`.
        sample_appearances: Function that draws a given number of appearances from the prior.

    Returns:
        Descriptions of the scenes after each edit.

    Raises:
        UserError: If an edit names an object that a scene does not have.
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
