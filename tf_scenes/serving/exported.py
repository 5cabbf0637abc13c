"""Exported models, loaded as any program without this package could load them, with the interface that edits use."""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import Optional

import numpy as np
import tensorflow as tf
from typing_extensions import override

from tf_scenes.descriptions import Description, as_arrays, has_objects
from tf_scenes.editing.interventions import Codec, gather_appearances
from tf_scenes.errors import UserError
from tf_scenes.files import read_json
from tf_scenes.serving.signatures import Signatures
from tf_scenes.serving.versions import IDENTITY, PARTS, versions

_SEGMENTED, _SAMPLED = "segmented", "sampled"


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
        self._paths = _newest_of_both(folder)
        self._encoder, self._decoder = map(_load, self._paths)
        self._draws = 0
        self._check_halves()

    def _check_halves(self) -> None:
        encoder, decoder = (half.signatures["serving_default"] for half in (self._encoder, self._decoder))
        inputs, outputs = encoder.structured_input_signature[1], encoder.structured_outputs
        wanted = decoder.structured_input_signature[1]
        if set(inputs) != {"images"} or set(decoder.structured_outputs) != {"images"}:
            raise UserError(f"{self._folder} does not hold an encoder in encoder/ and a decoder in decoder/")
        named = [_identity(path) for path in self._paths]
        agree = all(
            name in outputs and spec.dtype == outputs[name].dtype and spec.shape[2:] == outputs[name].shape[2:]
            for name, spec in wanted.items()
        )
        # Exports of earlier versions do not say what they are of.
        if not agree or (all(named) and named[0] != named[1]):
            raise UserError(f"{self._folder} holds the encoder of one model and the decoder of another one")

    @property
    def signatures(self) -> dict[str, Signatures]:
        """Signatures of each part of the model, `encoder` and `decoder`, by name."""
        return {part: half.signatures for part, half in zip(PARTS, (self._encoder, self._decoder))}

    @property
    def channels(self) -> int:
        """Number of channels of the images that the encoder takes."""
        return self._encoder.signatures["serving_default"].structured_input_signature[1]["images"].shape[-1]

    @property
    def finds_objects(self) -> bool:
        """Whether the model finds objects."""
        return has_objects(self._encoder.signatures["serving_default"].structured_outputs)

    @override
    def encode(self, images: np.ndarray) -> Description:
        """Scene descriptions of images.

        Raises:
            UserError: If the images do not have as many channels as the model's.
        """
        return self._called("serving_default", images)

    def require_masks(self) -> None:
        """Checks that the model says which object each pixel belongs to.

        Raises:
            UserError: If it does not find objects, or was exported before encoders said so.
        """
        if not self.finds_objects:
            raise UserError(f"{self._folder} holds a model that does not find objects: one that does is needed")
        if _SEGMENTED not in self._encoder.signatures:
            raise UserError(
                f"{self._folder} was exported without the signature '{_SEGMENTED}', which gives masks: export it again "
                "(--mode=export with the flags of its run)"
            )

    def segment(self, images: np.ndarray) -> Description:
        """Scene descriptions of images, with `masks`, see `SceneModel.masks`; `require_masks` holds.

        Raises:
            UserError: If the images are not of a kind or size that the model takes.
        """
        return self._called(_SEGMENTED, images)

    def _called(self, signature: str, images: np.ndarray) -> Description:
        if images.shape[-1] != self.channels:
            raise UserError(f"the exported encoder takes images with {self.channels} channels, not {images.shape[-1]}")
        with refusal_as_user_error("exported encoder"):
            return as_arrays(self._encoder.signatures[signature](images=tf.constant(images)))

    @property
    def decoded_fields(self) -> dict[str, tf.TensorSpec]:
        """What the decoder takes, by the names of fields."""
        return dict(sorted(self._decoder.signatures["serving_default"].structured_input_signature[1].items()))

    @override
    def decode(self, description: Mapping[str, np.ndarray], height: int, width: int) -> np.ndarray:
        inputs = self._inputs(description)
        sizes = np.full([len(next(iter(inputs.values()))), 2], (height, width), np.int32)
        with refusal_as_user_error("exported decoder"):
            return self._decoder.signatures["resized"](**inputs, image_size=tf.constant(sizes))["images"].numpy()

    def decode_at_training_size(self, description: Mapping[str, np.ndarray]) -> np.ndarray:
        """Images of scene descriptions, as large as those that the model was trained on."""
        with refusal_as_user_error("exported decoder"):
            return self._decoder.signatures["serving_default"](**self._inputs(description))["images"].numpy()

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
        size = self._decoder.signatures["serving_default"].structured_outputs["images"].shape[1:3]
        sizes = tf.tile(tf.constant([size], tf.int32), [count, 1])

        def draw() -> Description:
            seeds = tf.range(self._draws, self._draws + count, dtype=tf.int32)
            self._draws += count
            scenes = as_arrays(self._decoder.signatures[_SAMPLED](seed=seeds, image_size=sizes))
            return {name: values for name, values in scenes.items() if name != "images"}

        return gather_appearances(count, draw)


@contextlib.contextmanager
def refusal_as_user_error(half: str) -> Iterator[None]:
    """Turns what the checks in a graph say, between brackets, into a `UserError`: [input images must ... ].

    Args:
        half: What refuses it, for the message.

    Raises:
        UserError: If a check has failed.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        refusal = re.search(r"\[(input \w+ must [^\]]*?)(; its shape is)?\]", error.message)
        if refusal is None:
            raise
        raise UserError(f"the {half} refuses it: {refusal[1]}") from error


def _identity(path: str) -> Optional[str]:
    """Which model a version of an exported encoder or decoder is a half of; None if it does not say so."""
    return read_json(os.path.join(path, IDENTITY)).get("model")


def _newest_of_both(folder: str) -> tuple[str, str]:
    """Paths of the newest version that both halves have; an export that was killed may have left one half's alone."""
    encoder, decoder = (set(versions(os.path.join(folder, part))) for part in PARTS)
    if not encoder & decoder:
        raise UserError(f"{folder} holds no exported model: a folder with encoder/1/ and decoder/1/ is needed")
    newest = str(max(encoder & decoder))
    return tuple(os.path.join(folder, part, newest) for part in PARTS)


def _load(path: str) -> tf.Module:
    try:
        return tf.saved_model.load(path)
    except Exception as error:  # A damaged SavedModel makes TensorFlow fail in any way.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path} cannot be loaded as a SavedModel: {reason}") from error
