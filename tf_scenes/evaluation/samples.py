"""Scenes drawn from a model's prior, or from what it has fitted in its place."""

from typing import Optional

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tf_scenes.descriptions import Description, as_arrays
from tf_scenes.models.scene_model import SceneModel

# Drawn at once, for the sake of memory.
_MOST_SCENES, _MOST_OBJECTS = 500, 10_000
_IMAGES = "images"


def sample_scenes(
    model: SceneModel,
    num_scenes: int,
    height: int,
    width: int,
    seed: int,
    max_objects: Optional[int] = None,
    from_prior: bool = False,
) -> tuple[Description, np.ndarray]:
    """Draws scenes, see `SceneModel.sample_description`.

    Args:
        model: Trained model.
        num_scenes: Number of scenes.
        height: Height of the canvas in pixels.
        width: Width of the canvas in pixels.
        seed: Seed of the draws.
        max_objects: Most objects in a scene; their number is then uniform on 0 to this. None takes the learned prior.
        from_prior: Whether appearances are from the prior even if the model has fitted another distribution.

    Returns:
        The descriptions, and their pixel means, float32 `[scenes, height, width, channels]`.
    """
    at_once = max(1, min(_MOST_SCENES, _MOST_OBJECTS // (max_objects or 1)))
    parts = []
    firsts = range(0, num_scenes, at_once)
    for number, first in enumerate(tqdm(firsts, "Drawing scenes", unit="part", delay=2.0, leave=False), start=1):
        size = min(at_once, num_scenes - first)
        own_seed = tf.constant([seed, number])
        description = model.sample_description(size, height, width, own_seed, max_objects, from_prior)
        parts.append({**as_arrays(description), _IMAGES: model.decode(description, height, width).numpy()})
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    images = joined.pop(_IMAGES)
    return joined, images
