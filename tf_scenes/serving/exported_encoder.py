"""Exported encoders, loaded with nothing but TensorFlow: no code of models or of training is imported."""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from tf_scenes.descriptions import Description, as_arrays, has_objects
from tf_scenes.errors import UserError, first_line
from tf_scenes.serving.versions import PARTS, versions

DEFAULT = "serving_default"
_SEGMENTED = "segmented"


class ExportedEncoder:
    """An exported encoder.

    Attributes:
        saved_model: What TensorFlow loaded.
    """

    def __init__(self, path: str, folder: str):
        """Loads the encoder.

        Args:
            path: Folder of the SavedModel.
            folder: Folder of the exported model that it is a half of, for error messages.

        Raises:
            UserError: If it cannot be loaded, or is no encoder.
        """
        self._folder = folder
        self.saved_model = load_saved_model(path)
        if set(self.saved_model.signatures[DEFAULT].structured_input_signature[1]) != {"images"}:
            raise no_halves(folder)

    @property
    def channels(self) -> int:
        """Number of channels of the images that the encoder takes."""
        return self.saved_model.signatures[DEFAULT].structured_input_signature[1]["images"].shape[-1]

    @property
    def finds_objects(self) -> bool:
        """Whether the model finds objects."""
        return has_objects(self.saved_model.signatures[DEFAULT].structured_outputs)

    def encode(self, images: np.ndarray) -> Description:
        """Scene descriptions of images.

        Args:
            images: Images, float32 `[batch, height, width, channels]` in [0, 1].

        Returns:
            Arrays by name, see `tf_scenes.descriptions`.

        Raises:
            UserError: If the images do not have as many channels as the model's.
        """
        return self._called(DEFAULT, images)

    def require_masks(self) -> None:
        """Checks that the model says which object each pixel belongs to.

        Raises:
            UserError: If it does not find objects, or was exported before encoders said so.
        """
        if not self.finds_objects:
            raise UserError(f"{self._folder} holds a model that does not find objects: one that does is needed")
        if _SEGMENTED not in self.saved_model.signatures:
            raise UserError(
                f"{self._folder} was exported without the signature '{_SEGMENTED}', which gives masks: export it again "
                "(--mode=export with the flags of its run)"
            )

    def segment(self, images: np.ndarray) -> Description:
        """Scene descriptions of images, with `masks`, see `SceneModel.masks`; `require_masks` holds.

        Args:
            images: Images, float32 `[batch, height, width, channels]` in [0, 1].

        Returns:
            Arrays by name; `masks` is int32 `[batch, height, width]`, 0 for the background, i + 1 for slot i.

        Raises:
            UserError: If the images are not of a kind or size that the model takes.
        """
        return self._called(_SEGMENTED, images)

    def _called(self, signature: str, images: np.ndarray) -> Description:
        if images.shape[-1] != self.channels:
            raise UserError(f"the exported encoder takes images with {self.channels} channels, not {images.shape[-1]}")
        with refusal_as_user_error("exported encoder"):
            return as_arrays(self.saved_model.signatures[signature](images=tf.constant(images)))


def load_saved_model(path: str) -> tf.Module:
    """Loads a SavedModel.

    Args:
        path: Its folder.

    Raises:
        UserError: If it cannot be loaded.
        KeyboardInterrupt: After Ctrl-C.
    """
    try:
        return tf.saved_model.load(path)
    except Exception as error:  # A damaged SavedModel makes TensorFlow fail in any way.
        if KeyboardInterrupt.__name__ in str(error):  # TensorFlow makes an error of it.
            raise KeyboardInterrupt from error
        raise UserError(f"{path} cannot be loaded as a SavedModel: {first_line(error)}") from error


def newest_of_both(folder: str) -> tuple[str, str]:
    """Paths of the newest version that both halves have; an export that was killed may have left one half's alone.

    Args:
        folder: Folder with `encoder/<version>/` and `decoder/<version>/`.

    Returns:
        Paths of the encoder and of the decoder.

    Raises:
        UserError: If there is none.
    """
    newest = newest_in_both(folder, *(versions(os.path.join(folder, part)) for part in PARTS))
    return tuple(os.path.join(folder, part, str(newest)) for part in PARTS)


def newest_in_both(folder: str, encoder: Iterable[int], decoder: Iterable[int]) -> int:
    """The newest version that both halves have.

    Args:
        folder: Folder of the exported model, for the error message.
        encoder: Versions of the encoder.
        decoder: Versions of the decoder.

    Raises:
        UserError: If there is none.
    """
    both = set(encoder) & set(decoder)
    if not both:
        raise UserError(f"{folder} holds no exported model: a folder with encoder/1/ and decoder/1/ is needed")
    return max(both)


def no_halves(folder: str) -> UserError:
    """The error that a folder does not hold the two halves of a model where they should be."""
    return UserError(f"{folder} does not hold an encoder in encoder/ and a decoder in decoder/")


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
