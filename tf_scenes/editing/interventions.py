"""Edits of a user's or a data set's images by a trained or an exported model: LAVAE, figures 3, 6 and 7."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf
from typing_extensions import override

from tf_scenes.data.datasets import Dataset
from tf_scenes.descriptions import NUM_OBJECTS, Description, as_arrays, has_objects, is_present
from tf_scenes.editing import edits
from tf_scenes.editing.edit_script import Edit, apply_script, most_objects
from tf_scenes.errors import UserError
from tf_scenes.models.scene_model import SceneModel

_SEED = 40_400


class Codec(Protocol):
    """What editing needs of a model; shapes as in `SceneModel`, arrays of NumPy."""

    def encode(self, images: np.ndarray) -> Description:
        """Scene descriptions of images."""

    def decode(self, description: Description, height: int, width: int) -> np.ndarray:
        """Images of scene descriptions."""

    def sample_appearances(self, count: int) -> Description:
        """Appearances of objects from the prior."""


class TrainedCodec(Codec):
    """A trained model as a `Codec`."""

    def __init__(self, model: SceneModel, image_size: tuple[int, int]):
        """Creates the codec.

        Args:
            model: a trained model that finds objects.
            image_size: height and width of canvases from the prior, pixels.
        """
        self._model = model
        self._image_size = image_size
        self._draws = 0

    @override
    def encode(self, images: np.ndarray) -> Description:
        return as_arrays(self._model.encode(tf.constant(images)))

    @override
    def decode(self, description: Description, height: int, width: int) -> np.ndarray:
        return self._model.decode(description, height, width).numpy()

    @override
    def sample_appearances(self, count: int) -> Description:
        parts, found = [], 0
        while found < count:
            seed = tf.constant([_SEED, self._draws])
            scenes = as_arrays(self._model.sample_description(4 * count, *self._image_size, seed, max_objects=1))
            present = is_present(scenes)[:, 0]
            parts.append({name: values[present] for name, values in edits.appearance_of(scenes, 0).items()})
            found, self._draws = found + int(present.sum()), self._draws + 1
        return {name: np.concatenate([part[name] for part in parts])[:count] for name in parts[0]}


def images_to_edit(dataset: Dataset, codec: Codec, script: Sequence[Edit], count: int) -> np.ndarray:
    """The first test images in which enough objects are found for a script: float32 `[count, height, width, channels]`.

    Raises:
        UserError: there are none.
    """
    chosen, needed = [], most_objects(script)
    for batch in dataset.evaluation_batches("test", 50, limit=1_000):
        images = batch["images"].numpy()
        chosen.extend(images[codec.encode(images)[NUM_OBJECTS] >= needed])
        if len(chosen) >= count:
            break
    if not chosen:
        raise UserError(f"the script names {needed} objects, and no test image has as many")
    return np.stack(chosen[:count])


def edit_images(
    codec: Codec, images: np.ndarray, script: Sequence[Edit]
) -> tuple[Description, list[Description], np.ndarray]:
    """Infers scenes, edits them, and draws what came of each edit.

    Args:
        codec: the model.
        images: float32 `[scenes, height, width, channels]` in [0, 1].
        script: the edits.

    Returns:
        What was inferred, the descriptions after each edit, and pictures, float32
        `[1 + edits, scenes, height, width, channels]`: the reconstruction, then each edit's.

    Raises:
        UserError: an edit names an object that an image does not have.
    """
    inferred = codec.encode(images)
    if not has_objects(inferred):
        raise UserError("--mode=edit needs a model that finds objects, which this one does not")
    after = apply_script(script, inferred, codec.sample_appearances)
    height, width = images.shape[1:3]
    return inferred, after, np.stack([codec.decode(scenes, height, width) for scenes in (inferred, *after)])
