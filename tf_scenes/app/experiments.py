"""The experiments on a trained model; the results of each are a section of the run's report."""

import dataclasses
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tf_scenes.config import Config
from tf_scenes.data.datasets import Dataset, load_dataset
from tf_scenes.data.options import PIXELS
from tf_scenes.data.scene_datasets import SceneDataset
from tf_scenes.errors import UserError
from tf_scenes.evaluation.canvases import SPARE_SLOTS, count_on_canvas
from tf_scenes.evaluation.disentanglement import disentanglement
from tf_scenes.evaluation.likelihood import likelihood
from tf_scenes.evaluation.likeness import likeness
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.visualization.figures import reconstruction_sheet

_PICTURED_CANVASES = 5


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of an experiment.

    Attributes:
        results: Columns of a table by name; each column holds measures by name.
        figures: Figures by name.
        of_images: Measures of each image by name, `[images]`.
    """

    results: dict[str, dict[str, Any]]
    figures: dict[str, Figure] = dataclasses.field(default_factory=dict)
    of_images: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


def measure(name: str, config: Config, model: SceneModel, dataset: Dataset) -> Outcome:
    """Runs one experiment.

    Args:
        name: Name of the experiment, one of `config.EXPERIMENTS`.
        config: Configuration of the run.
        model: Trained model.
        dataset: Data set of the run.

    Raises:
        UserError: If the experiment is not possible with this model or data set.
    """
    experiments = {
        "likelihood": _likelihood,
        "disentanglement": _disentanglement,
        "factors": _factors,
        "likeness": _likeness,
        "canvases": _canvases,
    }
    return experiments[name](config, model, dataset)


def _likelihood(config: Config, model: SceneModel, dataset: Dataset) -> Outcome:
    options, results, of_images = config.evaluation, {}, {}
    for split_name in dataset.test_splits:
        results[split_name], bounds = likelihood(
            model,
            dataset,
            split_name,
            num_images=options.num_images(split_name),
            num_samples=options.importance_samples,
            batch_size=options.evaluation_batch_size,
        )
        of_images.update({f"{split_name}_{name}": values for name, values in bounds.items()})
    return Outcome(results, of_images=of_images)


def _disentanglement(config: Config, model: SceneModel, dataset: Dataset) -> Outcome:
    _require_objects(config, model)
    options, results = config.evaluation, {}
    for split_name in dataset.test_splits:
        found = disentanglement(
            model,
            dataset,
            split_name,
            num_images=options.num_images(split_name),
            clearance=float(config.data.sprite_size),
            batch_size=options.evaluation_batch_size,
        )
        where = "" if split_name == "test" else f", {split_name}"
        results.update({f"{edit}{where}": measures for edit, measures in found.items()})
    return Outcome(results)


def _factors(config: Config, model: SceneModel, dataset: Dataset) -> Outcome:
    if dataset.factor_splits is None:
        raise UserError(
            f"--mode=factors needs a data set of which the objects' factors are known: --dataset={config.data.dataset} "
            "has none"
        )
    if not isinstance(dataset, SceneDataset):  # Its scenes are as they are, with several objects.
        _require_objects(config, model)
    from tf_scenes.evaluation.factors import factors  # Its libraries are slow to import, and only needed here.

    options = config.evaluation
    results = factors(
        model.encode,
        model.num_categories,
        dataset,
        options.experiment_size,
        options.evaluation_batch_size,
        config.job.seed,
    )
    return Outcome({"test": results})


def _likeness(config: Config, model: SceneModel, dataset: Dataset) -> Outcome:
    _require_objects(config, model)
    _require_drawn_scenes(config, dataset, "to compare objects with its sprites")
    options = config.evaluation
    return Outcome(likeness(model, dataset, options.experiment_size, options.evaluation_batch_size))


def _canvases(config: Config, model: SceneModel, dataset: Dataset) -> Outcome:
    _require_objects(config, model)
    if config.data.dataset == "images":
        raise UserError("--mode=canvases draws new scenes, which --dataset=images cannot: use another data set")
    options, results, figures = config.evaluation, {}, {}
    for side in options.canvas_sides():
        data = dataclasses.replace(
            config.data, image_size=side, max_objects=options.canvas_objects, test_size=options.experiment_size
        )
        larger = load_dataset(data, config.job.seed)
        # Larger images need smaller batches, for the same use of memory.
        batch_size = max(1, options.evaluation_batch_size * config.data.image_size**2 // side**2)
        results[f"{side} x {side}"] = count_on_canvas(model, larger, "test", batch_size)
        slots = options.canvas_objects + SPARE_SLOTS
        figures[f"canvas_{side}"] = reconstruction_sheet(model, larger, "test", _PICTURED_CANVASES, slots)
    if isinstance(dataset, SceneDataset):
        side, many = config.data.image_size, f"test_{config.data.many_objects}"
        data = dataclasses.replace(config.data, spacing=PIXELS, test_size=options.experiment_size)
        closer = load_dataset(data, config.job.seed)
        name = f"{side} x {side}, a pixel apart"
        results[name] = count_on_canvas(model, closer, many, options.evaluation_batch_size)
        figures["canvas_pixels"] = reconstruction_sheet(model, closer, many, _PICTURED_CANVASES)
    return Outcome(results, figures)


def _require_drawn_scenes(config: Config, dataset: Dataset, why: str) -> None:
    if not isinstance(dataset, SceneDataset):
        raise UserError(
            f"--mode={config.job.mode} needs a data set whose scenes are drawn, {why}: "
            f"--dataset={config.data.dataset} is not"
        )


def _require_objects(config: Config, model: SceneModel) -> None:
    if not model.finds_objects:
        raise UserError(f"--mode={config.job.mode} needs a model that finds objects: --model={config.model} does not")
