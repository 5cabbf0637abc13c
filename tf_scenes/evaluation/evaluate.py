"""Evaluation of a trained model on the held-out splits."""

import dataclasses
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from tf_scenes.data.datasets import Dataset
from tf_scenes.descriptions import CATEGORY, LOCATIONS, NUM_OBJECTS, is_present
from tf_scenes.evaluation import metrics
from tf_scenes.evaluation.progress_bar import with_progress
from tf_scenes.evaluation.segmentation import ImageScores, score_image, segmentation_scores
from tf_scenes.evaluation.sweep import attribute_sweep
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.training.trainable_model import Batch, elbo

_SEED = 20_200
# Number of objects whose attribute is swept.
_SWEPT_OBJECTS = 500
_TABLE_ROWS = (
    "count_accuracy",
    "elbo",
    "correspondence",
    "swept_category_kept",
    "mse",
    "squared_error",
    "foreground_iou",
    "location_error",
    "count_missed",
    "count_extra",
    "count_error",
    "ap_50",
    "ap_70",
    "ap",
    "box_ap_50",
    "box_ap",
    "f1",
    "panoptic_quality",
    "ari_foreground",
    "ari_of_several",
    "segmentation_covering",
    "images",
)
# More different numbers of objects than these have too few images each for an accuracy of their own.
_MOST_COUNTS_IN_TABLE = 10


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

    def means(self, prefix: str) -> dict[str, float]:
        """The means of all arrays whose names begin with a prefix, by their names without it."""
        names = [name for name in self._parts if name.startswith(prefix)]
        return {name[len(prefix) :]: float(np.mean(self[name], dtype=np.float64)) for name in names}


@dataclasses.dataclass(frozen=True)
class _Inference:
    """The functions of a model that evaluation calls for each batch, compiled."""

    model: SceneModel

    @tf.function(reduce_retracing=True, autograph=False)
    def reconstruct(
        self, images: tf.Tensor, with_masks: bool
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor, Optional[tf.Tensor]]:
        description = self.model.encode(images)
        shape = tf.shape(images)
        masks = self.model.masks(images, description) if with_masks else None
        return description, self.model.decode(description, shape[1], shape[2]), masks

    @tf.function(reduce_retracing=True, autograph=False)
    def elbo_terms(self, images: tf.Tensor, seed: tf.Tensor, max_objects: Optional[int]) -> dict[str, tf.Tensor]:
        terms = self.model.elbo_terms(images, seed, max_objects)
        return {"elbo": elbo(terms), **terms}

    def measured_elbo(self, batch: Batch, number: int, max_objects: Optional[int]) -> dict[str, np.ndarray]:
        """The ELBO and its terms for a batch by its number, each `[batch]`, under names that begin with `term_`."""
        terms = self.elbo_terms(self.model.prepare(batch), tf.constant([_SEED, number]), max_objects)
        return {f"term_{name}": value.numpy() for name, value in terms.items()}


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
        model was trained with, the prior of the number of objects is uniform up to `max_inferred_objects`), or per crop
        for data sets that train on crops; `mse` is the mean over all pixels and channels, `squared_error` the mean over
        images of the sum over an image; `foreground_iou` is a mean over images with a lit pixel, for data sets with a
        black background. If there is ground truth and the model finds objects: `metrics.counting` and
        `count_accuracy_by_count`, and with centres `count_errors`, see `metrics.count_errors`; `location_error` and
        `location_offset` in pixels; with masks, `segmentation.segmentation_scores`, where an object that owns no pixel
        is in no measure but those of counts. If the model also has categories: `correspondence`; `category_labels`, the
        label of each category, by number, and `category_names`, by name; `category_use`, the number of objects in each
        category; and if it has attributes, for splits with scenes of one object, `attribute_sweep`, see
        `sweep.attribute_sweep`, whose share is also `swept_category_kept`. Measures that need ground truth or fields
        that do not exist are None.
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
    scores: list[ImageScores] = []
    batches = dataset.evaluation_batches(split_name, batch_size)
    for number, batch in enumerate(with_progress(batches, f"Evaluating {split_name}")):
        images, true_masks = batch["images"].numpy(), batch.get("masks")
        with_masks = true_masks is not None and inference.model.finds_objects
        description, pixel_means, masks = inference.reconstruct(batch["images"], with_masks)
        if not dataset.trains_on_crops:
            totals.add(**inference.measured_elbo(batch, number, max_objects))
        if with_masks:
            scores += [score_image(true, inferred) for true, inferred in zip(true_masks.numpy(), masks.numpy())]
        totals.add(
            mean_squared_error=metrics.mean_squared_error(images, pixel_means.numpy()),
            values=np.full(len(images), np.prod(images.shape[1:])),
            foreground_iou=metrics.foreground_iou(images, pixel_means.numpy()),
            lit=images.any(axis=(1, 2, 3)),
            **{f"inferred_{name}": value for name, value in _objects(description).items()},
            **{name: batch[name].numpy() for name in ("counts", "centers", "labels") if name in batch},
        )
    if dataset.trains_on_crops:
        crops = dataset.elbo_batches(split_name, batch_size)
        for number, batch in enumerate(with_progress(crops, f"ELBO of {split_name}")):
            totals.add(**inference.measured_elbo(batch, number, None))
    lit = totals["lit"] & dataset.black_background
    return {
        "images": len(lit),
        **totals.means("term_"),
        **_reconstructing(totals),
        "foreground_iou": metrics.mean_foreground_iou(totals["foreground_iou"], lit),
        **segmentation_scores(scores),
        **_counting(totals),
        **_locating(totals),
        **_categorising(totals, inference.model.num_categories, dataset.label_names),
        **_sweeping(inference.model, dataset, split_name, batch_size),
    }


def _reconstructing(totals: _Totals) -> dict[str, float]:
    """Errors of images that may differ in their number of values, pixels times channels."""
    errors, values = totals["mean_squared_error"].astype(np.float64), totals["values"]
    return {"mse": float(np.average(errors, weights=values)), "squared_error": float(np.mean(errors * values))}


def _objects(description: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
    """The fields of a description that are measured; categories are -1 where there is no object."""
    objects = {name: description[name].numpy() for name in (NUM_OBJECTS, LOCATIONS) if name in description}
    if CATEGORY in description:
        objects["categories"] = np.where(is_present(description), description[CATEGORY], -1)
    return objects


def _categorising(totals: _Totals, num_categories: int, label_names: Sequence[str]) -> dict[str, Any]:
    if "inferred_categories" not in totals or "labels" not in totals:
        return dict.fromkeys(("correspondence", "category_labels", "category_names", "category_use"))
    categories = totals["inferred_categories"]
    rate, labels = metrics.correspondence_rate(totals["labels"], categories)
    return {
        "correspondence": rate,
        "category_labels": labels,
        "category_names": {category: label_names[label] for category, label in labels.items()},
        "category_use": np.bincount(categories[categories >= 0], minlength=num_categories).tolist(),
    }


def _sweeping(model: SceneModel, dataset: Dataset, split_name: str, batch_size: int) -> dict[str, Any]:
    alone = dataset.splits[split_name].min_objects <= 1
    if not (model.finds_objects and model.num_categories and model.num_attributes and alone):
        return {}
    sweep = attribute_sweep(model, dataset, split_name, _SWEPT_OBJECTS, batch_size)
    return {"swept_category_kept": sweep["category_kept"], "attribute_sweep": sweep}


def _counting(totals: _Totals) -> dict[str, Any]:
    if "counts" not in totals or "inferred_num_objects" not in totals:
        return {"count_accuracy": None, "count_accuracy_by_count": None}
    numbers = totals["counts"], totals["inferred_num_objects"]
    measures = {**metrics.counting(*numbers), "count_accuracy_by_count": metrics.count_accuracy_by_count(*numbers)}
    if "centers" in totals:
        squared_errors = totals["mean_squared_error"] * totals["values"]
        measures["count_errors"] = metrics.count_errors(*numbers, totals["centers"], squared_errors)
    return measures


def _locating(totals: _Totals) -> dict[str, Any]:
    if "centers" not in totals or "inferred_locations" not in totals:
        return {"location_error": None, "location_offset": None}
    true = [centers[:count] for centers, count in zip(totals["centers"], totals["counts"])]
    numbers = totals["inferred_num_objects"]
    inferred = [locations[:number] for locations, number in zip(totals["inferred_locations"], numbers)]
    error, offset = metrics.location_error(true, inferred)
    return {"location_error": error, "location_offset": None if offset is None else offset.round(3).tolist()}


def table(splits: dict[str, dict[str, Any]], classical: Optional[Mapping[str, dict[str, Any]]] = None) -> str:
    """The main measures of a report as lines of text; what no split has is left out.

    Args:
        splits: Measures of each split by name, which has a column.
        classical: Measures of Otsu's threshold on some of the splits; they have a column beside that of the split.
    """
    columns = {}
    for name, measures in splits.items():
        columns[name] = measures
        if classical and name in classical:
            columns[f"{name} (Otsu)"] = classical[name]
    terms = [name for name in next(iter(splits.values())) if name.startswith(("reconstruction", "kl_"))]
    rows = (*_TABLE_ROWS[:2], *terms, *_TABLE_ROWS[2:])
    lines = [_head(columns)]
    for row in (row for row in rows if any(measures.get(row) is not None for measures in columns.values())):
        lines.append(_line(row, columns))
        if row == "count_accuracy":
            lines += _lines_by_count(columns)
    return "\n".join(lines)


def plain_table(columns: dict[str, dict[str, Any]]) -> str:
    """Numbers by name as lines of text, with a column for each dictionary."""
    names = list(dict.fromkeys(name for measures in columns.values() for name in measures))
    numbers = [name for name in names if not any(isinstance(measures.get(name), dict) for measures in columns.values())]
    return "\n".join([_head(columns), *(_line(name, columns) for name in numbers)])


def _lines_by_count(columns: dict[str, dict[str, Any]]) -> list[str]:
    by_count = {name: measures.get("count_accuracy_by_count") or {} for name, measures in columns.items()}
    counts = sorted(set().union(*by_count.values()))
    if len(counts) > _MOST_COUNTS_IN_TABLE:
        return []
    return [_line(count, by_count, f"  {count} object{'s' if count != 1 else ''}") for count in counts]


def _head(columns: Iterable[str]) -> str:
    return "".join([f"{'':28}", *(f"{name:>{_width(name)}}" for name in columns)])


def _line(name: Hashable, columns: dict[str, dict[Any, Any]], label: Optional[str] = None) -> str:
    """A line with what each column has by a name; the label is the name by default."""
    cells = [f"{_cell(measures.get(name)):>{_width(column)}}" for column, measures in columns.items()]
    return "".join([f"{label or name:28}", *cells])


def _cell(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:d}" if isinstance(value, int) else f"{value:.4f}"


def _width(column: str) -> int:
    return max(14, len(column) + 2)
