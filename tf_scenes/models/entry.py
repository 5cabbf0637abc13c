"""What the rest of the package knows about a model before it is built.

Free of TensorFlow, since flags are defined from it and `--help` should be fast.
"""

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any, Callable, Optional, Union

from tf_scenes.options import Options


def _accepts_everything(config: Any) -> None:
    """The default check, for models that accept any combination of options."""


def _without_schedules(config: Any) -> Mapping[str, int]:
    """The default for models whose options have no schedules."""
    return {}


def _of_any_size(config: Any) -> Optional[tuple[str, int]]:
    """The default for models that find objects of any size."""
    return None


@dataclasses.dataclass(frozen=True)
class ModelEntry:
    """A model's entry in the registry.

    Attributes:
        name: Name of the model, its value of `--model`.
        options: Sections of the model's options, in the order in which its constructor takes them; models may share
            sections.
        model: Class of the model, as `module:class`: a `SceneModel` whose constructor takes an instance of each of
            `options` and then a `SceneSpec`.
        summary: One sentence for the model card on how the model describes a scene.
        limits: Sentences for the model card on what users of a trained model should be aware of; or a function that
            returns them for the flags of a training run, by name, as a report holds them.
        check: Function that takes a `Config` with this model, and raises a `UserError` if its options are incompatible.
        schedule_ends: Function that takes a `Config` with this model, and returns the last step of each of its
            schedules, by the flags that set it; a warning says so if training ends earlier.
        largest_object: Function that takes a `Config` with this model, and returns the flag that limits the size of
            objects and the side in pixels of the largest object; None if there is no limit. A warning says so if
            objects look larger.
        faster_in_bfloat16: Whether the model trains faster in bfloat16 on processors that have instructions for it; a
            hint says so.
    """

    name: str
    options: tuple[type[Options], ...]
    model: str
    summary: str
    limits: Union[tuple[str, ...], Callable[[Mapping[str, Any]], tuple[str, ...]]]
    check: Callable[[Any], None] = _accepts_everything
    schedule_ends: Callable[[Any], Mapping[str, int]] = _without_schedules
    largest_object: Callable[[Any], Optional[tuple[str, int]]] = _of_any_size
    faster_in_bfloat16: bool = False

    def limits_of(self, flags: Mapping[str, Any]) -> tuple[str, ...]:
        """The limits of a model that was trained with certain flags, by name, as a report holds them."""
        return self.limits(flags) if callable(self.limits) else self.limits

    def model_class(self) -> type:
        """Imports the model's class, and with it TensorFlow."""
        module, name = self.model.split(":")
        return getattr(importlib.import_module(module), name)
