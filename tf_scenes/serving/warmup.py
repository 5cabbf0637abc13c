"""Warm-up requests, which TensorFlow Serving replays when it loads a model so that the first real one is not slow."""

import importlib.util
import os
from collections.abc import Mapping
from typing import Optional

import tensorflow as tf

from tf_scenes.errors import UserError
from tf_scenes.serving.signatures import Signatures

# Inputs by name, by signature.
Requests = dict[str, dict[str, tf.Tensor]]
# Number of images unless a user says otherwise.
_USUAL = 2
_INSTALL = "the package tensorflow-serving-api (pip install 'tf_scenes[serving]')"
_FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")


def number_of_images(wanted: Optional[int]) -> int:
    """How many images the requests of an export have; 0 for no requests.

    Args:
        wanted: Value of `--warm_up_images`; None for as many as usual if requests can be written.

    Raises:
        UserError: If some are wanted, and `tensorflow-serving-api` is not installed.
    """
    installed = importlib.util.find_spec("tensorflow_serving") is not None
    if wanted is None:
        return _USUAL if installed else 0
    if wanted and not installed:
        raise UserError(f"--warm_up_images={wanted} needs {_INSTALL}; without it, leave the flag out")
    return wanted


def hint(wanted: Optional[int]) -> Optional[str]:
    """A sentence for a user whose exports have no requests because a package is missing; None if none is.

    Args:
        wanted: Value of `--warm_up_images`.

    Raises:
        UserError: As `number_of_images`.
    """
    if number_of_images(wanted) or wanted is not None:
        return None
    return f"Exports will have no warm-up requests for TensorFlow Serving: they need {_INSTALL}."


def requests(encoder: Signatures, decoder: Signatures, images: tf.Tensor) -> dict[str, Requests]:
    """One request for each signature: the images for the encoder, their descriptions for the decoder.

    Args:
        encoder: Signatures of the encoder.
        decoder: Signatures of the decoder.
        images: Images, float32 `[batch, height, width, channels]` in [0, 1].

    Returns:
        Requests to each part of the model, `encoder` and `decoder`, by name.
    """
    images = tf.convert_to_tensor(images)
    pixels = tf.cast(tf.round(255.0 * images), tf.uint8)
    count, files = len(images), tf.stack([tf.io.encode_png(each) for each in pixels])
    inputs = {
        "serving_default": {"images": images},
        "segmented": {"images": images},
        "uint8": {"images": pixels},
        "encoded": {"image_bytes": files},
        "encoded_segmented": {"image_bytes": files},
        "sampled": {"images": images, "seed": tf.range(count)},
    }
    description = encoder["serving_default"](images)
    wanted = decoder["serving_default"].structured_input_signature[1]
    description = {name: description[name] for name in wanted}
    size = tf.tile(tf.shape(images)[None, 1:3], [count, 1])
    return {
        "encoder": {name: inputs[name] for name in encoder},
        "decoder": {
            "serving_default": description,
            "resized": {"image_size": size, **description},
            "sampled": {"image_size": size, "seed": tf.range(count)},
        },
    }


def write(records: Mapping[str, Mapping[str, tf.Tensor]], model_name: str, folder: str) -> None:
    """Writes requests into the folder of a SavedModel, in the format that the server reads.

    Args:
        records: Requests by signature.
        model_name: Model name in the requests; the server ignores it.
        folder: Folder of the SavedModel.
    """
    # Imported here because the package is optional: only exports need it.
    from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

    path = os.path.join(folder, _FILE)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tf.io.TFRecordWriter(path) as writer:
        for signature, inputs in records.items():
            request = predict_pb2.PredictRequest(
                model_spec=model_pb2.ModelSpec(name=model_name, signature_name=signature),
                inputs={name: tf.make_tensor_proto(value.numpy()) for name, value in inputs.items()},
            )
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())
