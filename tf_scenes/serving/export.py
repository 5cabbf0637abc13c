"""Export of a trained model as two SavedModels, which TensorFlow (Serving) can load without this package."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from typing import Optional

import numpy as np
import tensorflow as tf

from tf_scenes.files import write_json
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.serving import onnx_export, warmup
from tf_scenes.serving.signatures import Limits, Signatures, decoder_signatures, encoder_signatures
from tf_scenes.serving.versions import IDENTITY, PARTS, UNFINISHED, versions


def export(
    model: SceneModel,
    image_shape: tuple[int, int, int],
    folder: str,
    limits: Limits,
    keep_versions: int,
    warm_up_images: Optional[tf.Tensor] = None,
    with_onnx: bool = False,
) -> dict[str, str]:
    """Writes the next version of the encoder and the decoder; see `tf_scenes.serving.signatures` for what they offer.

    Each is written to a temporary folder that is then renamed, so that a server that watches for new versions never
    sees an incomplete one.

    Args:
        model: Trained model.
        image_shape: Height, width and channels of the images it was trained on.
        folder: Folder in which `encoder/<version>/` and `decoder/<version>/` are made; versions count up from 1.
        limits: Limits of requests.
        keep_versions: Number of versions to keep, including the new one; at least 1.
        warm_up_images: Images for the requests that a server replays when it loads the models, float32
            `[batch, height, width, channels]` in [0, 1]; None writes no such requests.
        with_onnx: Whether each version has a folder `onnx`, see `tf_scenes.serving.onnx_export`.

    Returns:
        Folder of each part of the model, `encoder` and `decoder`, by name.

    Raises:
        UserError: If it is wanted `with_onnx`, and a package is missing or ONNX lacks an operation of the model.
    """
    encoder = encoder_signatures(model, image_shape[-1], limits)
    signatures = {"encoder": encoder, "decoder": decoder_signatures(model, encoder, image_shape, limits)}
    version = 1 + max((number for part in PARTS for number in versions(os.path.join(folder, part))), default=0)
    finished = {part: os.path.join(folder, part, str(version)) for part in PARTS}
    with _unfinished_folders(folder) as unfinished:
        for part in PARTS:
            _save(signatures[part], unfinished[part])
        identity = _identity(model)
        for part in PARTS:
            write_json(os.path.join(unfinished[part], IDENTITY), {"part": part, "model": identity})
        if warm_up_images is not None:
            for part, requests in warmup.requests(encoder, signatures["decoder"], warm_up_images).items():
                warmup.write(requests, part, unfinished[part])
        if with_onnx:
            for part in PARTS:
                loaded = tf.saved_model.load(unfinished[part])
                onnx_export.write(loaded.signatures, part, os.path.join(unfinished[part], onnx_export.FOLDER))
        for part in PARTS:
            os.rename(unfinished[part], finished[part])
    for part in PARTS:
        for old in versions(os.path.join(folder, part))[:-keep_versions]:
            shutil.rmtree(os.path.join(folder, part, str(old)))
    return finished


@contextlib.contextmanager
def _unfinished_folders(folder: str) -> Iterator[dict[str, str]]:
    """Temporary folders for both halves; what is left in them, now or from an export that was killed, is removed."""
    unfinished = {part: os.path.join(folder, part, UNFINISHED) for part in PARTS}
    for path in unfinished.values():
        shutil.rmtree(path, ignore_errors=True)
    try:
        yield unfinished
    finally:
        for path in unfinished.values():
            shutil.rmtree(path, ignore_errors=True)


def _identity(model: SceneModel) -> str:
    """A checksum of a model's weights, which its encoder and its decoder have in common with no other model's."""
    checksum = hashlib.sha256()
    for weights in model.get_weights():
        checksum.update(np.ascontiguousarray(weights).tobytes())
    return checksum.hexdigest()


def _save(signatures: Signatures, folder: str) -> None:
    module = tf.Module()
    # Only the variables that the graphs use, rather than the whole model with its optimisers.
    used = {variable.ref(): variable for function in signatures.values() for variable in function.graph.variables}
    module.parameters = list(used.values())
    tf.saved_model.save(module, folder, signatures=signatures)
