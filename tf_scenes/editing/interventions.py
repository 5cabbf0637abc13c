"""Edits of images, a user's or a data set's, with a trained or exported model: LAVAE, figures 3, 6 and 7."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf
from typing_extensions import override

from tf_scenes.data.datasets import Dataset
from tf_scenes.descriptions import NUM_OBJECTS, Description, Role, as_arrays, has_objects, is_present, of_role
from tf_scenes.editing.edit_script import Edit, apply_script, most_objects
from tf_scenes.errors import UserError
from tf_scenes.models.scene_model import SceneModel

_SEED = 40_400
# Of the images that are searched for enough objects: their number, those in a batch, and pixels inferred at once.
_MOST_IMAGES, _BATCH, _MOST_PIXELS = 1_000, 20, 2**19


class Codec(Protocol):
    """The interface of a model that edits need; shapes are those of `SceneModel`, with NumPy arrays for tensors.

    Attributes:
        channels: Number of channels of its images.
    """

    channels: int

    def encode(self, images: np.ndarray) -> Description:
        """Scene descriptions of images, see `SceneModel.encode`."""

    def decode(self, description: Description, height: int, width: int) -> np.ndarray:
        """Images of scene descriptions, see `SceneModel.decode`."""

    def sample_appearances(self, count: int) -> Description:
        """Appearances of `count` objects from the prior: fields `[count, ...]` by name."""


class TrainedCodec(Codec):
    """A trained model as a `Codec`."""

    def __init__(self, model: SceneModel, image_shape: tuple[int, int, int]):
        """Creates the codec.

        Args:
            model: Trained model that finds objects.
            image_shape: Height, width and channels of the training images; objects are drawn from the prior on canvases
                of that size.
        """
        self._model = model
        *self._image_size, self.channels = image_shape
        self._draws = 0

    @override
    def encode(self, images: np.ndarray) -> Description:
        return as_arrays(self._model.encode(tf.constant(images)))

    @override
    def decode(self, description: Description, height: int, width: int) -> np.ndarray:
        return self._model.decode(description, height, width).numpy()

    @override
    def sample_appearances(self, count: int) -> Description:
        def draw() -> Description:
            self._draws += 1
            seed = tf.constant([_SEED, self._draws - 1])
            return as_arrays(self._model.sample_description(4 * count, *self._image_size, seed, max_objects=1))

        return gather_appearances(count, draw)


def gather_appearances(count: int, draw: Callable[[], Description]) -> Description:
    """Appearances of objects in drawn scenes.

    Args:
        count: Number of objects.
        draw: Function that draws scenes; it is called until they hold enough objects.

    Returns:
        Fields `[count, ...]` by name.
    """
    parts, found = [], 0
    while found < count:
        scenes = draw()
        present = is_present(scenes)
        parts.append({name: values[present] for name, values in of_role(scenes, Role.APPEARANCE).items()})
        found += int(present.sum())
    return {name: np.concatenate([part[name] for part in parts])[:count] for name in parts[0]}


def images_to_edit(
    dataset: Dataset, codec: Codec, script: Sequence[Edit], count: int, split_name: str = "test"
) -> np.ndarray:
    """The first images of a held-out split in which enough objects for a script are found, all of one size.

    Where sizes differ, it is the first one with `count` such images, or else the one with most of them.

    Args:
        dataset: Data set.
        codec: Model that finds the objects.
        script: Edits.
        count: Most images to return.
        split_name: Name of the split.

    Returns:
        Images, float32 `[images, height, width, channels]` in [0, 1].

    Raises:
        UserError: If there is no such split or no such image, or if the model does not find objects.
    """
    if split_name not in dataset.held_out:
        raise UserError(
            f"--edit_split={split_name} is no held-out split of this data set: they are {', '.join(dataset.held_out)}"
        )
    needed = most_objects(script)
    chosen: dict[tuple[int, ...], list[np.ndarray]] = {}
    for batch in dataset.evaluation_batches(split_name, _BATCH, limit=_MOST_IMAGES):
        images = batch["images"].numpy()
        of_size = chosen.setdefault(images.shape[1:], [])
        of_size.extend(images[_counts(codec, images) >= needed])
        if len(of_size) >= count:
            break
    images = max(chosen.values(), key=len)
    if not images:
        raise UserError(f"the script names {needed} objects, and no image of {split_name} has as many")
    return np.stack(images[:count])


def _counts(codec: Codec, images: np.ndarray) -> np.ndarray:
    """Number of objects found in each image, where large images are inferred one at a time, to save memory."""
    most = max(1, _MOST_PIXELS // int(np.prod(images.shape[1:3])))
    parts = [_inferred(codec, images[first : first + most]) for first in range(0, len(images), most)]
    return np.concatenate([part[NUM_OBJECTS] for part in parts])


def _inferred(codec: Codec, images: np.ndarray) -> Description:
    description = codec.encode(images)
    if not has_objects(description):
        raise UserError("--mode=edit needs a model that finds objects, and this one does not")
    return description


def edit_images(
    codec: Codec, images: np.ndarray, script: Sequence[Edit]
) -> tuple[Description, list[Description], np.ndarray]:
    """Infers scenes, edits them, and draws the result of each edit.

    Args:
        codec: Model.
        images: Images, float32 `[scenes, height, width, channels]` in [0, 1].
        script: Edits.

    Returns:
        The inferred descriptions, the descriptions after each edit, and pictures of all of them in this order, float32
        `[1 + edits, scenes, height, width, channels]`.

    Raises:
        UserError: If the model does not find objects, or if an edit names an object that an image does not have.
    """
    inferred = _inferred(codec, images)
    after = apply_script(script, inferred, codec.sample_appearances)
    height, width = images.shape[1:3]
    return inferred, after, np.stack([codec.decode(scenes, height, width) for scenes in (inferred, *after)])
