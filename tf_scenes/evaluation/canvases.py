"""Counting on canvases larger than those trained on, with more objects: beyond LAVAE's paper (its section 3.3)."""

from typing import Any

import numpy as np
import tensorflow as tf

from tf_scenes.data.datasets import Dataset
from tf_scenes.descriptions import NUM_OBJECTS
from tf_scenes.evaluation import metrics
from tf_scenes.models.scene_model import SceneModel

# So many more objects than there are may be found, so that finding too many is seen.
SPARE_SLOTS = 4


def count_on_canvas(model: SceneModel, dataset: Dataset, split_name: str, batch_size: int) -> dict[str, Any]:
    """How well a model counts and draws scenes of any size.

    Args:
        model: a trained model that finds objects.
        dataset: scenes, of any size.
        split_name: of a held-out split.
        batch_size: images a batch.

    Returns:
        `images`, `count_accuracy`, `count_accuracy_by_count`, `count_error` (mean absolute difference),
        `foreground_iou` (over images with an object).
    """
    slots = dataset.splits[split_name].max_objects + SPARE_SLOTS

    @tf.function(reduce_retracing=True, autograph=False)
    def reconstruct(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        description = model.encode(images, slots)
        return description[NUM_OBJECTS], model.decode(description, *dataset.image_shape[:2])

    true, inferred, overlaps = [], [], []
    for batch in dataset.evaluation_batches(split_name, batch_size):
        counts, pixel_means = reconstruct(batch["images"])
        true.append(batch["counts"].numpy())
        inferred.append(counts.numpy())
        overlaps.append(metrics.foreground_iou(batch["images"].numpy(), pixel_means.numpy()))
    true, inferred = np.concatenate(true), np.concatenate(inferred)
    return {
        "images": len(true),
        **metrics.counting(true, inferred),
        "count_error": float(np.mean(np.abs(true - inferred))),
        "foreground_iou": metrics.mean_foreground_iou(np.concatenate(overlaps), true > 0),
    }
