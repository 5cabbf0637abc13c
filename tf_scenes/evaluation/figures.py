"""The figures of a trained model."""

import os
from collections.abc import Sequence
from typing import Optional

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tf_scenes import plotting
from tf_scenes.data.datasets import Dataset
from tf_scenes.data.descriptions import DescribedObject
from tf_scenes.models.scene_model import SceneModel, as_arrays


def reconstruction_sheet(
    model: SceneModel, dataset: Dataset, split_name: str, num_images: int = 10, max_objects: Optional[int] = None
) -> Figure:
    """The first images of a held-out split over their reconstructions, with what was found in them.

    Args:
        model: the trained model.
        dataset: the data set.
        split_name: of the split.
        num_images: how many.
        max_objects: see `SceneModel.encode`.
    """
    images = next(iter(dataset.evaluation_batches(split_name, num_images)))["images"]
    description = model.encode(images, max_objects)
    pixel_means = model.decode(description, *images.shape[1:3])
    views = as_arrays(model.views(images, description))
    description = as_arrays(description)
    if not model.finds_objects:
        return plotting.image_grid(np.concatenate([images, pixel_means]), columns=len(images))
    return plotting.reconstructions(images.numpy(), pixel_means.numpy(), description, **views)


def generated_sheet(description: dict[str, np.ndarray], images: np.ndarray) -> Figure:
    """Scenes drawn from the prior, each with its number of objects where the model has one."""
    return plotting.image_grid(images, [f"n = {count}" for count in description.get("num_objects", ())])


def generate(
    model: SceneModel, num_scenes: int, height: int, width: int, seed: int, max_objects: Optional[int] = None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Scenes from the prior.

    Args:
        model: the trained model.
        num_scenes: how many.
        height: of the canvas, pixels.
        width: of the canvas, pixels.
        seed: of the draw.
        max_objects: makes the count uniform on 0 to this; None takes the learned prior.

    Returns:
        The descriptions, and their pixel means, float32 `[scenes, height, width, channels]`.
    """
    description = model.sample_description(num_scenes, height, width, tf.constant([seed, 1]), max_objects)
    images = model.decode(description, height, width)
    return as_arrays(description), images.numpy()


def description_sheet(model: SceneModel, dataset: Dataset, split_name: str, num_images: int = 5) -> Figure:
    """Input with boxes, reconstruction and latent code of the first images of a held-out split with an object."""
    images = next(iter(dataset.evaluation_batches(split_name, 4 * num_images)))["images"]
    images = tf.boolean_mask(images, tf.reduce_any(images > 0.0, axis=[1, 2, 3]))[:num_images]
    description = model.encode(images)
    pixel_means = model.decode(description, *images.shape[1:3])
    outlines = model.views(images, description)["outlines"].numpy()
    description = as_arrays(description)
    return plotting.descriptions(images.numpy(), pixel_means.numpy(), description, outlines)


def attribute_sheet(model: SceneModel, size: int, values: Sequence[float] = (-2.0, -1.0, 0.0, 1.0, 2.0)) -> Figure:
    """Each category with its first attribute going through values, the others 0.

    Args:
        model: a model with categories and attributes.
        size: side of a picture, pixels.
        values: of the attribute, from top to bottom.
    """
    categories, levels = np.meshgrid(np.arange(model.num_categories), values)
    count = categories.size
    prior = model.sample_description(count, size, size, tf.constant([0, 0]), 1)
    description = {name: np.zeros_like(value.numpy()) for name, value in prior.items()}
    description["presence"] = np.ones((count, 1), np.float32)
    description["locations"][:] = (size - 1) / 2.0
    description["sizes"][:] = size
    description["category"][:, 0] = categories.ravel()
    description["attributes"][:, 0, 0] = levels.ravel()
    images = model.decode(description, size, size).numpy()
    titles = [f"{category}: {level:+g}" for category, level in zip(categories.ravel(), levels.ravel())]
    return plotting.image_grid(images, titles, columns=model.num_categories)


def draw_scene(
    model: SceneModel, objects: Sequence[DescribedObject], height: int, width: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A scene that is described by hand.

    Args:
        model: a model with categories.
        objects: what is in it.
        height: of the canvas, pixels.
        width: of the canvas, pixels.

    Returns:
        Its description, and its pixel means, float32 `[1, height, width, channels]`.
    """
    prior = model.sample_description(1, height, width, tf.constant([0, 0]), len(objects))
    description = {name: np.zeros_like(value.numpy()) for name, value in prior.items()}
    description["num_objects"][:] = len(objects)
    for slot, each in enumerate(objects):
        values = {
            "presence": 1.0,
            "locations": (each.y, each.x),
            "sizes": (each.size, each.size),
            "category": each.category,
            "angles": each.angle,
            "attributes": each.attributes,
        }
        for name in description.keys() & values.keys():
            description[name][0, slot] = values[name]
    return description, model.decode(description, height, width).numpy()


def write_figures(model: SceneModel, dataset: Dataset, folder: str, seed: int) -> list[str]:
    """Writes the figures of a model as PNG.

    Returns:
        The files' paths.
    """
    sheets = {f"reconstructions_{name}": reconstruction_sheet(model, dataset, name) for name in dataset.held_out}
    height, width, _ = dataset.image_shape
    if model.num_categories:
        sheets.update({f"descriptions_{name}": description_sheet(model, dataset, name) for name in dataset.held_out})
    if model.num_attributes:
        sheets["attributes"] = attribute_sheet(model, 28)
    sheets["prior_samples"] = generated_sheet(*generate(model, 32, height, width, seed))
    paths = []
    for name, sheet in sheets.items():
        paths.append(os.path.join(folder, f"{name}.png"))
        plotting.save(sheet, paths[-1])
    return paths
