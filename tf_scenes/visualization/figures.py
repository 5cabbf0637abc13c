"""The figures of a trained model."""

import os
from collections.abc import Mapping, Sequence
from typing import Optional

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tf_scenes.data.datasets import Dataset
from tf_scenes.descriptions import (
    ATTRIBUTES,
    BOXES,
    CATEGORY,
    LOCATIONS,
    NUM_OBJECTS,
    PRESENCE,
    SIZES,
    as_arrays,
)
from tf_scenes.editing.edit_script import Edit
from tf_scenes.evaluation.samples import sample_scenes
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.visualization import plots


def reconstruction_sheet(
    model: SceneModel, dataset: Dataset, split_name: str, num_images: int = 10, max_objects: Optional[int] = None
) -> Figure:
    """The first images of a held-out split, their reconstructions below, and the objects found in them.

    Args:
        model: Trained model.
        dataset: Data set.
        split_name: Name of the split.
        num_images: Number of images.
        max_objects: Most objects found in an image, see `SceneModel.encode`.
    """
    images = next(iter(dataset.evaluation_batches(split_name, num_images)))["images"]
    description = model.encode(images, max_objects)
    pixel_means = model.decode(description, *images.shape[1:3])
    if not model.finds_objects:
        return plots.image_grid(np.concatenate([images, pixel_means]), columns=len(images))
    boxes = model.geometry(description, *images.shape[1:3])[BOXES].numpy()
    views = as_arrays(model.views(images, description))
    return plots.reconstructions(images.numpy(), pixel_means.numpy(), as_arrays(description), boxes, **views)


def generated_sheet(description: dict[str, np.ndarray], images: np.ndarray) -> Figure:
    """Scenes drawn from the prior, each with its number of objects if the model finds objects."""
    return plots.image_grid(images, [f"n = {count}" for count in description.get(NUM_OBJECTS, ())])


def description_sheet(model: SceneModel, dataset: Dataset, split_name: str, num_images: int = 5) -> Figure:
    """Input with boxes, reconstruction and latent codes of the first images with an object of a held-out split."""
    images = next(iter(dataset.evaluation_batches(split_name, 4 * num_images)))["images"]
    images = tf.boolean_mask(images, tf.reduce_any(images > 0.0, axis=[1, 2, 3]))[:num_images]
    description = model.encode(images)
    pixel_means = model.decode(description, *images.shape[1:3])
    boxes = model.geometry(description, *images.shape[1:3])[BOXES].numpy()
    return plots.descriptions(images.numpy(), pixel_means.numpy(), as_arrays(description), boxes)


def attribute_sheet(model: SceneModel, size: int, values: Sequence[float] = (-2.0, -1.0, 0.0, 1.0, 2.0)) -> Figure:
    """An object of each category with different values of its first attribute, the other attributes being 0.

    Args:
        model: Model with categories and attributes.
        size: Side of each picture in pixels.
        values: Values of the attribute, from top to bottom.
    """
    categories, levels = np.meshgrid(np.arange(model.num_categories), values)
    count = categories.size
    prior = model.sample_description(count, size, size, tf.constant([0, 0]), 1)
    description = {name: np.zeros_like(value.numpy()) for name, value in prior.items()}
    description[PRESENCE] = np.ones((count, 1), np.float32)
    description[LOCATIONS][:] = (size - 1) / 2.0
    description[SIZES][:] = size
    description[CATEGORY][:, 0] = categories.ravel()
    description[ATTRIBUTES][:, 0, 0] = levels.ravel()
    images = model.decode(description, size, size).numpy()
    titles = [f"{category}: {level:+g}" for category, level in zip(categories.ravel(), levels.ravel())]
    return plots.image_grid(images, titles, columns=model.num_categories)


def edit_sheet(
    images: np.ndarray, inferred: Mapping[str, np.ndarray], script: Sequence[Edit], pictures: np.ndarray
) -> Figure:
    """Input with the numbers of its objects, reconstruction, and a row for each edit that is not a reset.

    Args:
        images: Images, float32 `[scenes, height, width, channels]` in [0, 1].
        inferred: Descriptions of the images before any edit.
        script: Edits.
        pictures: Reconstructions, then the scenes after each edit, float32
            `[1 + edits, scenes, height, width, channels]`.
    """
    rows = [0, *(row for row, edit in enumerate(script, start=1) if edit.word != "reset")]
    labels = ["reconstruction", *(script[row - 1].text for row in rows[1:])]
    return plots.numbered_rows(images, inferred[LOCATIONS], inferred[PRESENCE], pictures[rows], labels)


def write_figures(model: SceneModel, dataset: Dataset, folder: str, seed: int) -> list[str]:
    """Writes all figures of a model as PNG files.

    Args:
        model: Trained model.
        dataset: Data set.
        folder: Folder for the figures.
        seed: Seed of the samples from the prior.

    Returns:
        Paths of the files.
    """
    sheets = {f"reconstructions_{name}": reconstruction_sheet(model, dataset, name) for name in dataset.held_out}
    if model.num_categories:
        sheets.update({f"descriptions_{name}": description_sheet(model, dataset, name) for name in dataset.held_out})
    if model.num_attributes:
        sheets["attributes"] = attribute_sheet(model, 28)
    sheets["prior_samples"] = generated_sheet(*sample_scenes(model, 32, *dataset.image_shape[:2], seed))
    paths = []
    for name, sheet in sheets.items():
        paths.append(os.path.join(folder, f"{name}.png"))
        plots.save(sheet, paths[-1])
    return paths
