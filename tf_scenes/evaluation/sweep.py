"""Does an object stay what it is while its attribute is swept? Figure 9 of Discrete-AIR's paper, as a number."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_scenes.data.datasets import Dataset
from tf_scenes.descriptions import ATTRIBUTES, CATEGORY, NUM_OBJECTS, Description, as_arrays
from tf_scenes.evaluation.progress_bar import with_progress
from tf_scenes.models.scene_model import SceneModel

# Values of an attribute in standard deviations of its prior: of figures, and of the measure.
SWEPT_VALUES = (-2.0, -1.0, 0.0, 1.0, 2.0)


def attribute_sweep(
    model: SceneModel,
    dataset: Dataset,
    split_name: str,
    num_objects: int,
    batch_size: int,
    values: Sequence[float] = SWEPT_VALUES,
) -> dict[str, Any]:
    """Sweeps the first attribute of objects that stand alone, draws each, and infers its category anew.

    Args:
        model: Trained model with categories and attributes.
        dataset: Data set.
        split_name: Name of a held-out split, some of whose scenes have one object.
        num_objects: Most objects to sweep: those of the first scenes in which one object is found.
        batch_size: Number of images in a batch.
        values: Values of the attribute, all of which each object takes.

    Returns:
        `objects`, their number; `category_kept`, the share of drawn objects that are found as one object of the same
        category; `category_kept_by_value`, the same for each value. The shares are None if there is no such object.
    """
    height, width, _ = dataset.image_shape
    function = functools.partial(tf.function, reduce_retracing=True, autograph=False)
    encode, decode = function(model.encode), function(lambda description: model.decode(description, height, width))
    kept: list[np.ndarray] = []  # Each bool [objects, values].
    for batch in with_progress(dataset.evaluation_batches(split_name, batch_size), f"Attributes of {split_name}"):
        description = as_arrays(encode(batch["images"]))
        alone = np.flatnonzero(description[NUM_OBJECTS] == 1)[: num_objects - sum(map(len, kept))]
        if len(alone):
            description = {name: field[alone] for name, field in description.items()}
            swept = [as_arrays(encode(decode(_with_attribute(description, value)))) for value in values]
            kept.append(np.stack([_same_category(description, each) for each in swept], axis=1))
        if sum(map(len, kept)) >= num_objects:
            break
    shares = np.concatenate(kept).mean(axis=0) if kept else None
    return {
        "objects": sum(map(len, kept)),
        "category_kept": None if shares is None else float(shares.mean()),
        "category_kept_by_value": None if shares is None else dict(zip(map(str, values), shares.tolist())),
    }


def _with_attribute(description: Description, value: float) -> Description:
    attributes = description[ATTRIBUTES].copy()
    attributes[:, 0, 0] = value
    return {**description, ATTRIBUTES: attributes}


def _same_category(drawn: Description, found: Description) -> np.ndarray:
    """Whether the only object drawn in each scene is found as one object of its category: bool `[scenes]`."""
    return (found[NUM_OBJECTS] == 1) & (found[CATEGORY][:, 0] == drawn[CATEGORY][:, 0])
