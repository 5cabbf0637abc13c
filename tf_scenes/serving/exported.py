"""Exported models, loaded as any program without this package could load them, with the interface that edits use."""

import os
from collections.abc import Mapping
from typing import Optional

import numpy as np
import tensorflow as tf
from typing_extensions import override

from tf_scenes.descriptions import Description, as_arrays
from tf_scenes.editing.interventions import Codec, gather_appearances
from tf_scenes.errors import UserError
from tf_scenes.files import read_json
from tf_scenes.serving.exported_encoder import (
    DEFAULT,
    ExportedEncoder,
    load_saved_model,
    newest_of_both,
    no_halves,
    refusal_as_user_error,
)
from tf_scenes.serving.signatures import Signatures
from tf_scenes.serving.versions import IDENTITY, PARTS

_SAMPLED = "sampled"


class ExportedModel(Codec):
    """An exported encoder and decoder."""

    def __init__(self, folder: str):
        """Loads the newest version of the encoder and of the decoder.

        Args:
            folder: Folder with `encoder/<version>/` and `decoder/<version>/`.

        Raises:
            UserError: If the folder has no such models, or they are not the two halves of one model.
        """
        self._folder = folder
        self._paths = newest_of_both(folder)
        self._encoder = ExportedEncoder(self._paths[0], folder)
        self._decoder = load_saved_model(self._paths[1])
        self._draws = 0
        self._check_halves()

    def _check_halves(self) -> None:
        outputs = self._encoder.saved_model.signatures[DEFAULT].structured_outputs
        decoder = self._decoder.signatures[DEFAULT]
        if set(decoder.structured_outputs) != {"images"}:
            raise no_halves(self._folder)
        named = [_identity(path) for path in self._paths]
        agree = all(
            name in outputs and spec.dtype == outputs[name].dtype and spec.shape[2:] == outputs[name].shape[2:]
            for name, spec in decoder.structured_input_signature[1].items()
        )
        # Exports of earlier versions do not say what they are of.
        if not agree or (all(named) and named[0] != named[1]):
            raise UserError(f"{self._folder} holds the encoder of one model and the decoder of another one")

    @property
    def signatures(self) -> dict[str, Signatures]:
        """Signatures of each part of the model, `encoder` and `decoder`, by name."""
        return {part: half.signatures for part, half in zip(PARTS, (self._encoder.saved_model, self._decoder))}

    @property
    def channels(self) -> int:
        """Number of channels of the images that the encoder takes."""
        return self._encoder.channels

    @property
    def finds_objects(self) -> bool:
        """Whether the model finds objects."""
        return self._encoder.finds_objects

    @override
    def encode(self, images: np.ndarray) -> Description:
        """Scene descriptions of images.

        Raises:
            UserError: If the images do not have as many channels as the model's.
        """
        return self._encoder.encode(images)

    def require_masks(self) -> None:
        """See `ExportedEncoder.require_masks`."""
        self._encoder.require_masks()

    def segment(self, images: np.ndarray) -> Description:
        """See `ExportedEncoder.segment`."""
        return self._encoder.segment(images)

    @property
    def decoded_fields(self) -> dict[str, tf.TensorSpec]:
        """What the decoder takes, by the names of fields."""
        return dict(sorted(self._decoder.signatures[DEFAULT].structured_input_signature[1].items()))

    @override
    def decode(self, description: Mapping[str, np.ndarray], height: int, width: int) -> np.ndarray:
        inputs = self._inputs(description)
        sizes = np.full([len(next(iter(inputs.values()))), 2], (height, width), np.int32)
        with refusal_as_user_error("exported decoder"):
            return self._decoder.signatures["resized"](**inputs, image_size=tf.constant(sizes))["images"].numpy()

    def decode_at_training_size(self, description: Mapping[str, np.ndarray]) -> np.ndarray:
        """Images of scene descriptions, as large as those that the model was trained on."""
        with refusal_as_user_error("exported decoder"):
            return self._decoder.signatures[DEFAULT](**self._inputs(description))["images"].numpy()

    def _inputs(self, description: Mapping[str, np.ndarray]) -> dict[str, tf.Tensor]:
        return {name: tf.constant(description[name]) for name in self.decoded_fields}

    @override
    def sample_appearances(self, count: int) -> Description:
        """Appearances of objects that are drawn from the prior.

        Raises:
            UserError: If the model was exported before decoders drew scenes.
        """
        if _SAMPLED not in self._decoder.signatures:
            raise UserError(
                f"{self._folder} was exported without the decoder's signature '{_SAMPLED}', which appearances from the "
                "prior (sample) need: export it again (--mode=export with the flags of its run)"
            )
        size = self._decoder.signatures[DEFAULT].structured_outputs["images"].shape[1:3]
        sizes = tf.tile(tf.constant([size], tf.int32), [count, 1])

        def draw() -> Description:
            seeds = tf.range(self._draws, self._draws + count, dtype=tf.int32)
            self._draws += count
            scenes = as_arrays(self._decoder.signatures[_SAMPLED](seed=seeds, image_size=sizes))
            return {name: values for name, values in scenes.items() if name != "images"}

        return gather_appearances(count, draw)


def _identity(path: str) -> Optional[str]:
    """Which model a version of an exported encoder or decoder is a half of; None if it does not say so."""
    return read_json(os.path.join(path, IDENTITY)).get("model")
