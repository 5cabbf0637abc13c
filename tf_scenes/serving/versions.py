"""The versions of an exported model, which are numbered folders."""

import os
import re
from collections.abc import Iterable
from typing import Optional

# The halves of an exported model, each with versions of its own.
PARTS = ("encoder", "decoder")
# The folder beside the versions in which a new one is written before it takes its number.
UNFINISHED = "unfinished"
# In a version's folder: which half of which model it is. TensorFlow leaves such files alone.
IDENTITY = os.path.join("assets.extra", "tf_scenes.json")


def versions(folder: str) -> list[int]:
    """Version numbers in the folder of an exported encoder or decoder, oldest first."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return numbers(name for name in names if os.path.isdir(os.path.join(folder, name)))


def numbers(names: Iterable[str]) -> list[int]:
    """The version numbers among names of folders, lowest first."""
    return sorted(int(name) for name in names if _is_number(name))


def names_of_folders(folder: str) -> list[str]:
    """Names in the folder of an exported model that must be folders, if they are there, for another version."""
    halves = [(part, os.path.join(folder, part)) for part in PARTS]
    there = [(part, name) for part, half in halves if os.path.isdir(half) for name in os.listdir(half)]
    return [*PARTS, *(os.path.join(part, name) for part, name in there if name == UNFINISHED or _is_number(name))]


def _is_number(name: str) -> bool:
    """Whether a name is the number of a version, as TensorFlow Serving reads them, written in one way alone."""
    return re.fullmatch(r"0|[1-9][0-9]{0,17}", name) is not None


def newest(folder: str) -> Optional[str]:
    """Path of the newest version in the folder of an exported encoder or decoder; None if there is none."""
    found = versions(folder)
    return os.path.join(folder, str(found[-1])) if found else None
