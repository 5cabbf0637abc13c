"""What the rest of the package knows of a model before it is built; free of TensorFlow, since the flags need it."""

import dataclasses
import importlib
from typing import Any, Callable

from tf_scenes.options import Options


def _accepts_everything(config: Any) -> None:
    """The check of a model all of whose options go together."""


@dataclasses.dataclass(frozen=True)
class ModelEntry:
    """A model's row in the registry.

    Attributes:
        name: value of `--model`.
        options: its sections of options, in the order in which the constructor takes them; models may share one.
        model: its class, as `module:class`. It is a `SceneModel` whose constructor takes an instance of each of
            `options` and then a `SceneSpec`.
        summary: of what it says about a scene, one sentence for the model card.
        limits: what a user of a trained one should know, sentences for the model card.
        check: takes a `Config` with this model, and raises a `UserError` where options do not go together.
    """

    name: str
    options: tuple[type[Options], ...]
    model: str
    summary: str
    limits: tuple[str, ...]
    check: Callable[[Any], None] = _accepts_everything

    def model_class(self) -> type:
        """The model's class; importing it imports TensorFlow."""
        module, name = self.model.split(":")
        return getattr(importlib.import_module(module), name)
