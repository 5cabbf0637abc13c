"""The models by name: every room of this folder that has an `ENTRY`, and those that a program registers itself."""

import functools
import importlib
import pkgutil

from tf_scenes import models
from tf_scenes.models.entry import ModelEntry
from tf_scenes.options import Options


@functools.cache
def _entries() -> dict[str, ModelEntry]:
    rooms = (room.name for room in pkgutil.iter_modules(models.__path__) if room.ispkg)
    entries = [importlib.import_module(f"{models.__name__}.{room}").ENTRY for room in rooms]
    return {entry.name: entry for entry in entries}


def register(entry: ModelEntry) -> None:
    """Adds a model that is defined outside this package; before the flags are defined.

    Raises:
        ValueError: there is a model of that name already.
    """
    if entry.name in _entries():
        raise ValueError(f"there is a model '{entry.name}' already")
    _entries()[entry.name] = entry


def unregister(name: str) -> None:
    """Takes out a model that `register` added."""
    del _entries()[name]


def names() -> tuple[str, ...]:
    """Every model's name."""
    return tuple(_entries())


def entry(name: str) -> ModelEntry:
    """A model's entry by its name, one of `names`."""
    return _entries()[name]


def sections() -> dict[str, type[Options]]:
    """The options of all models by section; what two models share stands once."""
    return {options.section: options for each in _entries().values() for options in each.options}
