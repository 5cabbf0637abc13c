"""tf_scenes: unsupervised scene discovery in TensorFlow.

In Python, everything that a program needs is an attribute of this package:

- `load(folder)`: a trained run or an exported model, NumPy in, NumPy out.
- `Config` with its sections, such as `DataOptions`, or `config_of(flags)`: what to train.
- `load_dataset`, `build_model`: data and a compiled model, to be trained by `fit`.
- `LAVAE`, `DiscreteAIR`, `AIR`, `VAE`: the models themselves, each made of its options and a `SceneSpec`.
- `UserError`: what is raised if an argument, a file or a folder is not as it should be.

TensorFlow is imported when the first of them is used.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

# Where each attribute is; importing them all would import TensorFlow.
_ATTRIBUTES = {
    "load": "tf_scenes.loading",
    "Config": "tf_scenes.config",
    "config_of": "tf_scenes.config",
    "JobOptions": "tf_scenes.config",
    "DataOptions": "tf_scenes.data.options",
    "TrainingOptions": "tf_scenes.training.options",
    "EvaluationOptions": "tf_scenes.evaluation.options",
    "ServingOptions": "tf_scenes.serving.options",
    "PredictionOptions": "tf_scenes.prediction.options",
    "LavaeOptions": "tf_scenes.models.lavae.options",
    "VaeOptions": "tf_scenes.models.vae.options",
    "AttentionOptions": "tf_scenes.models.air.options",
    "AirOptions": "tf_scenes.models.air.options",
    "DiscreteAirOptions": "tf_scenes.models.discrete_air.options",
    "build_model": "tf_scenes.app.build",
    "load_dataset": "tf_scenes.data.datasets",
    "LAVAE": "tf_scenes.models.lavae.model",
    "DiscreteAIR": "tf_scenes.models.discrete_air.model",
    "AIR": "tf_scenes.models.air.model",
    "VAE": "tf_scenes.models.vae.model",
    "SceneSpec": "tf_scenes.models.scene_model",
    "UserError": "tf_scenes.errors",
}
__all__ = ["__version__", *_ATTRIBUTES]


def __getattr__(name: str) -> Any:
    """Imports an attribute when it is first used."""
    if name not in _ATTRIBUTES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_ATTRIBUTES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Names of all attributes, also of those not yet imported."""
    return sorted(__all__)
