"""Exported models, loaded as any program without this package could load them, with the interface that edits use."""

import os
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from typing_extensions import override

from tf_scenes.descriptions import Description, as_arrays
from tf_scenes.editing.interventions import Codec
from tf_scenes.errors import UserError
from tf_scenes.serving.versions import PARTS, newest


class ExportedModel(Codec):
    """An exported encoder and decoder."""

    def __init__(self, folder: str):
        """Loads the newest version of the encoder and of the decoder.

        Args:
            folder: Folder with `encoder/<version>/` and `decoder/<version>/`.

        Raises:
            UserError: If the folder has no such models.
        """
        self._encoder, self._decoder = (_load_newest(os.path.join(folder, part)) for part in PARTS)

    @override
    def encode(self, images: np.ndarray) -> Description:
        """Scene descriptions of images.

        Raises:
            UserError: If the images do not have as many channels as the model's.
        """
        signature = self._encoder.signatures["serving_default"]
        channels = signature.structured_input_signature[1]["images"].shape[-1]
        if images.shape[-1] != channels:
            raise UserError(f"the exported encoder takes images with {channels} channels, not {images.shape[-1]}")
        return as_arrays(signature(images=tf.constant(images)))

    @override
    def decode(self, description: Mapping[str, np.ndarray], height: int, width: int) -> np.ndarray:
        signature = self._decoder.signatures["resized"]
        wanted = signature.structured_input_signature[1].keys() - {"image_size"}
        inputs = {name: tf.constant(description[name]) for name in wanted}
        sizes = np.full([len(next(iter(inputs.values()))), 2], (height, width), np.int32)
        return signature(**inputs, image_size=tf.constant(sizes))["images"].numpy()

    @override
    def sample_appearances(self, count: int) -> Description:
        """Fails, because exported models have no prior.

        Raises:
            UserError: Always.
        """
        raise UserError("appearances from the prior need the run of a trained model: exported models have no prior")


def _load_newest(folder: str) -> tf.Module:
    path = newest(folder)
    if path is None:
        raise UserError(f"{folder} holds no exported model: a folder with encoder/1/ and decoder/1/ is needed")
    try:
        return tf.saved_model.load(path)
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise UserError(f"{path} cannot be loaded as a SavedModel: {str(error).splitlines()[0]}") from error
