"""The experiments that are made with a trained run; each one's results are a section of its report."""

import dataclasses
from typing import Any

from matplotlib.figure import Figure

from tf_scenes.config import Config
from tf_scenes.data.datasets import Dataset
from tf_scenes.errors import UserError
from tf_scenes.evaluation.canvases import SPARE_SLOTS, count_on_canvas
from tf_scenes.evaluation.disentanglement import disentanglement
from tf_scenes.evaluation.figures import reconstruction_sheet
from tf_scenes.evaluation.likelihood import likelihood
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.training import build

_PICTURED_CANVASES = 5
# Columns of a table by name, each with its measures.
Results = dict[str, dict[str, Any]]


def measure(name: str, config: Config, model: SceneModel, dataset: Dataset) -> Results:
    """Makes one experiment.

    Args:
        name: one of `config.EXPERIMENTS`.
        config: of the run.
        model: the trained model.
        dataset: the run's.

    Raises:
        UserError: the experiment cannot be made with this model or data set.
    """
    return {"likelihood": _likelihood, "disentanglement": _disentanglement, "canvases": _canvases}[name](
        config, model, dataset
    )


def _likelihood(config: Config, model: SceneModel, dataset: Dataset) -> Results:
    options = config.evaluation
    return {
        split_name: likelihood(
            model,
            dataset,
            split_name,
            options.experiment_size,
            options.importance_samples,
            options.evaluation_batch_size,
        )
        for split_name in dataset.held_out
    }


def _disentanglement(config: Config, model: SceneModel, dataset: Dataset) -> Results:
    _require_objects(config, model)
    options = config.evaluation
    return disentanglement(
        model,
        dataset,
        "test",
        options.experiment_size,
        clearance=float(config.data.sprite_size),
        batch_size=options.evaluation_batch_size,
    )


def _canvases(config: Config, model: SceneModel, dataset: Dataset) -> Results:
    _require_objects(config, model)
    if config.data.dataset == "images":
        raise UserError("--mode=canvases draws its own scenes: --dataset=images has none to draw")
    options, results = config.evaluation, {}
    for side in options.canvas_sides():
        # Larger images, smaller batches: the same memory.
        batch_size = max(1, options.evaluation_batch_size * config.data.image_size**2 // side**2)
        results[f"{side} x {side}"] = count_on_canvas(model, _larger_scenes(config, side), "test", batch_size)
    return results


def _larger_scenes(config: Config, side: int) -> Dataset:
    options = config.evaluation
    data = dataclasses.replace(
        config.data, image_size=side, max_objects=options.canvas_objects, test_size=options.experiment_size
    )
    return build.build_scenes(data, config.job.seed)


def pictures(name: str, config: Config, model: SceneModel) -> dict[str, Figure]:
    """Figures of an experiment, by name; only `canvases` has some.

    Args:
        name: one of `config.EXPERIMENTS`.
        config: of the run.
        model: the trained model.
    """
    if name != "canvases":
        return {}
    slots = config.evaluation.canvas_objects + SPARE_SLOTS
    return {
        f"canvas_{side}": reconstruction_sheet(model, _larger_scenes(config, side), "test", _PICTURED_CANVASES, slots)
        for side in config.evaluation.canvas_sides()
    }


def _require_objects(config: Config, model: SceneModel) -> None:
    if not model.finds_objects:
        raise UserError(f"--mode={config.job.mode} needs a model that finds objects: --model={config.model} does not")
