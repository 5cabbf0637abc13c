"""The figures of a trained model."""

import os
from typing import Optional

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tf_scenes import plotting
from tf_scenes.data.datasets import Dataset
from tf_scenes.models.scene_model import SceneModel


def reconstruction_sheet(model: SceneModel, dataset: Dataset, split_name: str, num_images: int = 10) -> Figure:
    """Input with boxes, reconstruction, location features and sprites of the first images of a held-out split."""
    images = next(iter(dataset.evaluation_batches(split_name, num_images)))["images"]
    description = model.encode(images)
    pixel_means = model.decode(description, *images.shape[1:3])
    views = {name: value.numpy() for name, value in model.views(images, description).items()}
    description = {name: value.numpy() for name, value in description.items()}
    return plotting.reconstructions(images.numpy(), pixel_means.numpy(), description, **views)


def generated_sheet(description: dict[str, np.ndarray], images: np.ndarray) -> Figure:
    """Scenes drawn from the prior, each with its number of objects."""
    return plotting.image_grid(images, [f"n = {count}" for count in description["num_objects"]])


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
    return {name: value.numpy() for name, value in description.items()}, images.numpy()


def write_figures(model: SceneModel, dataset: Dataset, folder: str, seed: int) -> list[str]:
    """Writes the figures of a model as PNG.

    Returns:
        The files' paths.
    """
    os.makedirs(folder, exist_ok=True)
    sheets = {f"reconstructions_{name}": reconstruction_sheet(model, dataset, name) for name in dataset.held_out}
    height, width, _ = dataset.image_shape
    sheets["prior_samples"] = generated_sheet(*generate(model, 32, height, width, seed))
    paths = []
    for name, sheet in sheets.items():
        paths.append(os.path.join(folder, f"{name}.png"))
        plotting.save(sheet, paths[-1])
    return paths
