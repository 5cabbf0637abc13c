"""Scenes drawn from a model's prior."""

from typing import Optional

import numpy as np
import tensorflow as tf

from tf_scenes.descriptions import Description, as_arrays
from tf_scenes.models.scene_model import SceneModel


def sample_scenes(
    model: SceneModel, num_scenes: int, height: int, width: int, seed: int, max_objects: Optional[int] = None
) -> tuple[Description, np.ndarray]:
    """Draws scenes from the prior.

    Args:
        model: Trained model.
        num_scenes: Number of scenes.
        height: Height of the canvas in pixels.
        width: Width of the canvas in pixels.
        seed: Seed of the draws.
        max_objects: Most objects in a scene; their number is then uniform on 0 to this. None takes the learned prior.

    Returns:
        The descriptions, and their pixel means, float32 `[scenes, height, width, channels]`.
    """
    description = model.sample_description(num_scenes, height, width, tf.constant([seed, 1]), max_objects)
    images = model.decode(description, height, width)
    return as_arrays(description), images.numpy()
