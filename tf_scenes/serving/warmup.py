"""Warm-up requests, which TensorFlow Serving replays when it loads a model so that the first real one is not slow."""

import importlib.util
import os
from collections.abc import Mapping

import tensorflow as tf

from tf_scenes.errors import UserError
from tf_scenes.serving.signatures import Signatures

# Inputs by name, by signature.
Requests = dict[str, dict[str, tf.Tensor]]
_FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")


def require_package() -> None:
    """Checks that warm-up requests can be written.

    Raises:
        UserError: If `tensorflow-serving-api` is not installed.
    """
    if importlib.util.find_spec("tensorflow_serving") is None:
        raise UserError(
            "the export's warm-up requests need the package tensorflow-serving-api: pip install 'tf_scenes[serving]'"
        )


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
        "decoder": {"serving_default": description, "resized": {"image_size": size, **description}},
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
