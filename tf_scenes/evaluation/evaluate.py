"""Evaluation of a trained model on the held-out splits."""

import dataclasses
from collections.abc import Iterable
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from tf_scenes.data.datasets import Dataset
from tf_scenes.descriptions import CATEGORY, LOCATIONS, NUM_OBJECTS, is_present
from tf_scenes.evaluation import metrics
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.training.trainable_model import elbo

_SEED = 20_200
_TABLE_ROWS = (
    "count_accuracy",
    "elbo",
    "correspondence",
    "mse",
    "squared_error",
    "foreground_iou",
    "location_error",
    "images",
)


class _Totals:
    """Collects arrays batch by batch."""

    def __init__(self):
        self._parts: dict[str, list[Any]] = {}

    def add(self, **arrays: np.ndarray) -> None:
        for name, array in arrays.items():
            self._parts.setdefault(name, []).append(array)

    def __contains__(self, name: str) -> bool:
        return name in self._parts

    def __getitem__(self, name: str) -> np.ndarray:
        return np.concatenate(self._parts[name])


@dataclasses.dataclass(frozen=True)
class _Inference:
    """The functions of a model that evaluation calls for each batch, compiled."""

    model: SceneModel

    @tf.function(reduce_retracing=True, autograph=False)
    def reconstruct(self, images: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        description = self.model.encode(images)
        shape = tf.shape(images)
        return description, self.model.decode(description, shape[1], shape[2])

    @tf.function(reduce_retracing=True, autograph=False)
    def elbo_terms(self, images: tf.Tensor, seed: tf.Tensor, max_objects: Optional[int]) -> dict[str, tf.Tensor]:
        terms = self.model.elbo_terms(images, seed, max_objects)
        return {"elbo": elbo(terms), **terms}


def evaluate_splits(
    model: SceneModel, dataset: Dataset, split_names: Iterable[str], batch_size: int
) -> dict[str, dict[str, Any]]:
    """Measures a model on held-out splits, compiling it only once.

    Args:
        model: Trained model.
        dataset: Data set.
        split_names: Names of the splits.
        batch_size: Number of images in a batch.

    Returns:
        Measures by name, for each split by name.

        `images` is their number; `elbo` and its terms are in nats per image (if the split has more objects than the
        model was trained with, the prior of the number of objects is uniform up to `max_inferred_objects`); `mse` is
        the mean over pixels and channels, `squared_error` the sum over an image; `foreground_iou` is a mean over images
        with a lit pixel. If there is ground truth and the model finds objects: `count_accuracy` and
        `count_accuracy_by_count`; `location_error` and `location_offset` in pixels. If the model also has categories:
        `correspondence`; `category_labels`, the label of each category; `category_use`, the number of objects in each
        category. Measures that need ground truth or fields that do not exist are None.
    """
    inference = _Inference(model)
    return {name: _evaluate_split(inference, dataset, name, batch_size) for name in split_names}


def objects_beyond_prior(model: SceneModel, dataset: Dataset, split_name: str) -> Optional[int]:
    """The `max_objects` to call `SceneModel.elbo_terms` with for a split.

    Returns:
        Most objects, up to which the prior is uniform, if scenes may have more objects than the learned prior covers;
        otherwise None, for the learned prior.
    """
    return model.max_inferred_objects if dataset.splits[split_name].max_objects > model.max_objects else None


def _evaluate_split(inference: _Inference, dataset: Dataset, split_name: str, batch_size: int) -> dict[str, Any]:
    max_objects, totals = objects_beyond_prior(inference.model, dataset, split_name), _Totals()
    for number, batch in enumerate(dataset.evaluation_batches(split_name, batch_size)):
        images = batch["images"].numpy()
        description, pixel_means = inference.reconstruct(batch["images"])
        terms = inference.elbo_terms(batch["images"], tf.constant([_SEED, number]), max_objects)
        totals.add(
            mean_squared_error=metrics.mean_squared_error(images, pixel_means.numpy()),
            foreground_iou=metrics.foreground_iou(images, pixel_means.numpy()),
            lit=images.any(axis=(1, 2, 3)),
            **{f"inferred_{name}": value for name, value in _objects(description).items()},
            **{f"term_{name}": value.numpy() for name, value in terms.items()},
            **{name: batch[name].numpy() for name in dataset.ground_truth},
        )
    mean_squared_error = float(np.mean(totals["mean_squared_error"], dtype=np.float64))
    return {
        "images": len(totals["lit"]),
        **{name: float(np.mean(totals[f"term_{name}"], dtype=np.float64)) for name in terms},
        "mse": mean_squared_error,
        "squared_error": float(mean_squared_error * np.prod(dataset.image_shape)),
        "foreground_iou": metrics.mean_foreground_iou(totals["foreground_iou"], totals["lit"]),
        **_counting(totals),
        **_locating(totals),
        **_categorising(totals),
    }


def _objects(description: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
    """The fields of a description that are measured; categories are -1 where there is no object."""
    objects = {name: description[name].numpy() for name in (NUM_OBJECTS, LOCATIONS) if name in description}
    if CATEGORY in description:
        objects["categories"] = np.where(is_present(description), description[CATEGORY], -1)
    return objects


def _categorising(totals: _Totals) -> dict[str, Any]:
    if "inferred_categories" not in totals or "labels" not in totals:
        return {"correspondence": None, "category_labels": None, "category_use": None}
    categories = totals["inferred_categories"]
    rate, labels = metrics.correspondence_rate(totals["labels"], categories)
    return {
        "correspondence": rate,
        "category_labels": labels,
        "category_use": np.bincount(categories[categories >= 0]).tolist(),
    }


def _counting(totals: _Totals) -> dict[str, Any]:
    if "counts" not in totals or "inferred_num_objects" not in totals:
        return {"count_accuracy": None, "count_accuracy_by_count": None}
    return metrics.counting(totals["counts"], totals["inferred_num_objects"])


def _locating(totals: _Totals) -> dict[str, Any]:
    if "centers" not in totals or "inferred_locations" not in totals:
        return {"location_error": None, "location_offset": None}
    true = [centers[:count] for centers, count in zip(totals["centers"], totals["counts"])]
    numbers = totals["inferred_num_objects"]
    inferred = [locations[:number] for locations, number in zip(totals["inferred_locations"], numbers)]
    error, offset = metrics.location_error(true, inferred)
    return {"location_error": error, "location_offset": None if offset is None else offset.round(3).tolist()}


def table(splits: dict[str, dict[str, Any]]) -> str:
    """The main measures of a report as lines of text, with a column for each split."""
    lines = ["".join([f"{'':28}", *(f"{name:>14}" for name in splits)])]
    terms = [name for name in next(iter(splits.values())) if name.startswith(("reconstruction", "kl_"))]
    for row in (*_TABLE_ROWS[:2], *terms, *_TABLE_ROWS[2:]):
        lines.append(_line(row, [measures[row] for measures in splits.values()]))
        if row == "count_accuracy":
            lines += _lines_by_count(splits)
    return "\n".join(lines)


def plain_table(columns: dict[str, dict[str, Any]]) -> str:
    """Numbers by name as lines of text, with a column for each dictionary."""
    names = list(dict.fromkeys(name for measures in columns.values() for name in measures))
    lines = ["".join([f"{'':28}", *(f"{name:>14}" for name in columns)])]
    for name in names:
        values = [measures.get(name) for measures in columns.values()]
        if not any(isinstance(value, dict) for value in values):
            lines.append(_line(name, values))
    return "\n".join(lines)


def _lines_by_count(splits: dict[str, dict[str, Any]]) -> list[str]:
    by_count = [measures["count_accuracy_by_count"] or {} for measures in splits.values()]
    return [
        _line(f"  {count} object{'s' if count != 1 else ''}", [accuracies.get(count) for accuracies in by_count])
        for count in sorted(set().union(*by_count))
    ]


def _line(name: str, values: list[Optional[float]]) -> str:
    cells = ["-" if value is None else f"{value:d}" if isinstance(value, int) else f"{value:.4f}" for value in values]
    return "".join([f"{name:28}", *(f"{cell:>14}" for cell in cells)])
