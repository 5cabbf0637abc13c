"""Edits of a user's or a data set's images by a trained or an exported model: LAVAE, figures 3, 6 and 7."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tf_scenes import editing, plotting
from tf_scenes.data.datasets import Dataset
from tf_scenes.edit_script import Edit, apply_script, most_objects
from tf_scenes.errors import UserError
from tf_scenes.models.scene_model import SceneModel, as_arrays

_SEED = 40_400


class Codec(Protocol):
    """What editing needs of a model; shapes as in `SceneModel`, arrays of NumPy."""

    def encode(self, images: np.ndarray) -> editing.Description:
        """Scene descriptions of images."""

    def decode(self, description: editing.Description, height: int, width: int) -> np.ndarray:
        """Images of scene descriptions."""

    def sample_looks(self, count: int) -> editing.Description:
        """Looks of objects from the prior."""


class TrainedCodec:
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

    def encode(self, images: np.ndarray) -> editing.Description:
        """See `Codec`."""
        return as_arrays(self._model.encode(tf.constant(images)))

    def decode(self, description: editing.Description, height: int, width: int) -> np.ndarray:
        """See `Codec`."""
        return self._model.decode(description, height, width).numpy()

    def sample_looks(self, count: int) -> editing.Description:
        """See `Codec`."""
        looks, found = [], 0
        while found < count:
            seed = tf.constant([_SEED, self._draws])
            scenes = as_arrays(self._model.sample_description(4 * count, *self._image_size, seed, max_objects=1))
            present = scenes["presence"][:, 0] > 0.5
            looks.append({name: values[present] for name, values in editing.look(scenes, 0).items()})
            found, self._draws = found + int(present.sum()), self._draws + 1
        return {name: np.concatenate([look[name] for look in looks])[:count] for name in looks[0]}


def images_to_edit(dataset: Dataset, codec: Codec, edits: Sequence[Edit], count: int) -> np.ndarray:
    """The first test images in which enough objects are found for a script: float32 `[count, height, width, channels]`.

    Raises:
        UserError: there are none.
    """
    chosen, needed = [], most_objects(edits)
    for batch in dataset.evaluation_batches("test", 50, limit=1_000):
        images = batch["images"].numpy()
        chosen.extend(images[codec.encode(images)["num_objects"] >= needed])
        if len(chosen) >= count:
            break
    if not chosen:
        raise UserError(f"the script names {needed} objects, and no test image has as many")
    return np.stack(chosen[:count])


def edit_images(
    codec: Codec, images: np.ndarray, edits: Sequence[Edit]
) -> tuple[editing.Description, list[editing.Description], np.ndarray]:
    """Infers scenes, edits them, and draws what came of each edit.

    Args:
        codec: the model.
        images: float32 `[scenes, height, width, channels]` in [0, 1].
        edits: of the script.

    Returns:
        What was inferred, the descriptions after each edit, and pictures, float32
        `[1 + edits, scenes, height, width, channels]`: the reconstruction, then each edit's.

    Raises:
        UserError: an edit names an object that an image does not have.
    """
    inferred = codec.encode(images)
    if "presence" not in inferred:
        raise UserError("--mode=edit needs a model that finds objects, which this one does not")
    after = apply_script(edits, inferred, codec.sample_looks)
    height, width = images.shape[1:3]
    return inferred, after, np.stack([codec.decode(scenes, height, width) for scenes in (inferred, *after)])


def edit_sheet(
    images: np.ndarray, inferred: editing.Description, edits: Sequence[Edit], pictures: np.ndarray
) -> Figure:
    """Input with the objects' numbers, reconstruction, and a row for each edit that is not a reset."""
    rows = [0, *(row for row, edit in enumerate(edits, start=1) if edit.word != "reset")]
    labels = ["reconstruction", *(edits[row - 1].text for row in rows[1:])]
    return plotting.numbered_rows(images, inferred["locations"], inferred["presence"], pictures[rows], labels)
