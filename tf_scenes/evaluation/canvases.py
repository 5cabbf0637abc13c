"""Counting on canvases larger than in training, with more objects. It goes beyond section 3.3 of LAVAE's paper."""

from typing import Any

import numpy as np
import tensorflow as tf

from tf_scenes.data.datasets import Dataset
from tf_scenes.descriptions import NUM_OBJECTS
from tf_scenes.evaluation import metrics
from tf_scenes.evaluation.progress_bar import with_progress
from tf_scenes.models.scene_model import SceneModel

# Slots beyond the largest number of objects, so that finding too many objects shows in the measures.
SPARE_SLOTS = 4


def count_on_canvas(model: SceneModel, dataset: Dataset, split_name: str, batch_size: int) -> dict[str, Any]:
    """Measures how well a model counts the objects of scenes of any size and reconstructs the images.

    Args:
        model: Trained model that finds objects.
        dataset: Data set of scenes of any size.
        split_name: Name of a held-out split.
        batch_size: Number of images in a batch.

    Returns:
        Measures by name: `images`, their number; those of `metrics.counting`; `count_accuracy_by_count`;
        `foreground_iou`, a mean over images with an object.
    """
    slots = dataset.splits[split_name].max_objects + SPARE_SLOTS

    @tf.function(reduce_retracing=True, autograph=False)
    def reconstruct(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        description = model.encode(images, slots)
        return description[NUM_OBJECTS], model.decode(description, *dataset.image_shape[:2])

    true, inferred, overlaps = [], [], []
    for batch in with_progress(dataset.evaluation_batches(split_name, batch_size), f"Counting on {split_name}"):
        counts, pixel_means = reconstruct(batch["images"])
        true.append(batch["counts"].numpy())
        inferred.append(counts.numpy())
        overlaps.append(metrics.foreground_iou(batch["images"].numpy(), pixel_means.numpy()))
    true, inferred = np.concatenate(true), np.concatenate(inferred)
    return {
        "images": len(true),
        **metrics.counting(true, inferred),
        "count_accuracy_by_count": metrics.count_accuracy_by_count(true, inferred),
        "foreground_iou": metrics.mean_foreground_iou(np.concatenate(overlaps), true > 0),
    }
