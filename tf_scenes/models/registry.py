"""The models by name: one for each package in this folder, by its `ENTRY`, and those that a program registers."""

import functools
import importlib
import pkgutil

from tf_scenes import models
from tf_scenes.models.entry import ModelEntry
from tf_scenes.options import Options


@functools.cache
def _entries() -> dict[str, ModelEntry]:
    packages = (module.name for module in pkgutil.iter_modules(models.__path__) if module.ispkg)
    entries = [importlib.import_module(f"{models.__name__}.{package}").ENTRY for package in packages]
    return {entry.name: entry for entry in entries}


def register(entry: ModelEntry) -> None:
    """Adds a model that is defined outside this package; to be called before flags are defined.

    Args:
        entry: Entry of the model.

    Raises:
        ValueError: If there is a model of that name already.
    """
    if entry.name in _entries():
        raise ValueError(f"there is a model '{entry.name}' already")
    for options in entry.options:
        if sections().get(options.section, options) is not options:
            raise ValueError(f"the section '{options.section}' belongs to another model")
    _entries()[entry.name] = entry


def unregister(name: str) -> None:
    """Removes a model that `register` added."""
    del _entries()[name]


def names() -> tuple[str, ...]:
    """The names of all models."""
    return tuple(_entries())


def entry(name: str) -> ModelEntry:
    """The entry of the model of that name, one of `names`."""
    return _entries()[name]


def sections() -> dict[str, type[Options]]:
    """The options of all models by section; a section that models share appears once."""
    return {options.section: options for each in _entries().values() for options in each.options}
