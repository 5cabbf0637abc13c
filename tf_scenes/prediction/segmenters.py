"""What predictions need of a model, trained or exported."""

from typing import Protocol

import numpy as np
import tensorflow as tf
from typing_extensions import override

from tf_scenes.descriptions import MASKS, SMALLEST_SIDE, Description, as_arrays
from tf_scenes.errors import UserError
from tf_scenes.models.scene_model import SceneModel


class Segmenter(Protocol):
    """A model that finds objects.

    Attributes:
        channels: Number of channels of the images that it takes.
    """

    channels: int

    def segment(self, images: np.ndarray) -> Description:
        """Scene descriptions of images, with `masks`.

        Args:
            images: Images, float32 `[batch, height, width, channels]` in [0, 1].

        Raises:
            UserError: If the images are not of a kind or size that the model takes.
        """


class TrainedSegmenter(Segmenter):
    """A trained model as a `Segmenter`."""

    def __init__(self, model: SceneModel, channels: int):
        """Creates the segmenter.

        Args:
            model: Trained model that finds objects.
            channels: Number of channels of the images that it was trained on.
        """
        self.channels = channels

        # One graph for images of all sizes.
        @tf.function(input_signature=[tf.TensorSpec([None, None, None, channels])], autograph=False)
        def segment(images: tf.Tensor) -> dict[str, tf.Tensor]:
            description = model.encode(images)
            return {**description, MASKS: model.masks(images, description)}

        self._segment = segment

    @override
    def segment(self, images: np.ndarray) -> Description:
        if min(images.shape[1:3]) < SMALLEST_SIDE:
            raise UserError(f"a height and width of at least {SMALLEST_SIDE} pixels are needed")
        return as_arrays(self._segment(tf.constant(images)))
