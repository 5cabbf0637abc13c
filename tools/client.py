"""Asks TensorFlow Serving what image files show, and outlines the objects: python tools/client.py IMAGE ...

Needs Pillow and scikit-image; for gRPC also the package tensorflow-serving-api. docs/serving.md says how to start the
server.
"""

import argparse
import base64
import contextlib
import http.client
import io
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import numpy as np
from PIL import Image
from skimage.exposure import rescale_intensity
from skimage.segmentation import find_boundaries

Outputs = dict[str, np.ndarray]
_SIGNATURE = "encoded_segmented"
# Seconds and bytes that an answer may take, and the bytes that are read at once.
_TIMEOUT, _LARGEST_ANSWER, _CHUNK = 60.0, 2**30, 2**20
_FORMATS = ("PNG", "JPEG", "GIF", "BMP")
_INTERRUPTED = 130
# Outlines on a canvas of 64 pixels would be hard to see at its own size.
_SMALLEST_SHOWN = 256
_OUTLINE_COLOR = (255, 64, 64)


def main() -> None:
    """Writes a copy of each image with the objects outlined next to it, and prints how many were found."""
    arguments = _parse()
    predict = {"rest": predict_rest, "grpc": predict_grpc}[arguments.protocol]
    server = arguments.server or {"rest": "localhost:8501", "grpc": "localhost:8500"}[arguments.protocol]
    failed = 0
    for path in arguments.images:
        try:
            picture, image_bytes = _read(path)
            outputs = checked(predict(server, arguments.model, image_bytes), picture)
            drawn = _drawn(path)
            _save(draw_outlines(picture, outputs["masks"][0]), drawn)
        except (OSError, ValueError, http.client.HTTPException) as error:
            failed += 1
            print(f"Error: {path}: {_reason(error)}", file=sys.stderr)
        else:
            print(f"{path}: {int(outputs['num_objects'][0])} objects, see {drawn}")
    if failed:
        sys.exit(1)


def _drawn(path: str) -> str:
    """Where the outlines of a picture are drawn."""
    return f"{os.path.splitext(path)[0]}_objects.png"


def _read(path: str) -> tuple[Image.Image, bytes]:
    """A picture and its file; one that is cut off or damaged is found before it is sent.

    Raises:
        ValueError: If it is no picture of a kind that encoders take.
        OSError: If it cannot be read.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError("not a file")  # A pipe or a device might never end.
    with open(path, "rb") as file:
        image_bytes = file.read()
    try:
        picture = Image.open(io.BytesIO(image_bytes), formats=_FORMATS)
        picture.load()
    except Exception as error:  # A damaged file makes Pillow fail in any way.
        raise ValueError(f"not a whole {', '.join(_FORMATS)} file ({_reason(error)})") from error
    return picture, image_bytes


def _save(picture: Image.Image, path: str) -> None:
    """Writes a PNG file, whole or not at all."""
    temporary = f"{path}.tmp"
    try:
        picture.save(temporary, "PNG")
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise


def _reason(error: Exception) -> str:
    """What went wrong, in one line, and what to do if the model lacks the signature that is asked for."""
    text = " ".join(str(error).split()) or type(error).__name__
    hint = "; models that find objects and were exported without it must be exported again"
    return text + (hint if _SIGNATURE in text else "")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="+", help="PNG, JPEG, GIF or BMP files")
    parser.add_argument("--model", default="lavae_encoder", help="the model's name in models.config")
    parser.add_argument("--protocol", choices=("rest", "grpc"), default="rest")
    parser.add_argument("--server", help="host:port; by default this machine's 8501 (REST) or 8500 (gRPC)")
    arguments = parser.parse_args()
    by_drawing = {}
    for path in arguments.images:
        other = by_drawing.setdefault(_drawn(path), path)
        if other != path:
            sys.exit(f"Error: {other} and {path} would both be drawn as {_drawn(path)}: ask for one after the other")
    return arguments


def predict_rest(server: str, model: str, image_bytes: bytes) -> Outputs:
    """Asks by REST, in its columnar format: https://www.tensorflow.org/tfx/serving/api_rest.

    Args:
        server: The server's host:port.
        model: Name of an encoder.
        image_bytes: Contents of an image file.

    Returns:
        Outputs by name, for a batch of 1.

    Raises:
        ValueError: If the server refuses the request; the message is the server's.
        OSError: If there is no server.
    """
    body = {
        "signature_name": _SIGNATURE,
        "inputs": {"image_bytes": [{"b64": base64.b64encode(image_bytes).decode()}]},
    }
    url = f"http://{server}/v1/models/{urllib.parse.quote(model, safe='')}:predict"
    deadline = time.monotonic() + _TIMEOUT
    try:
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            answer = _parsed(_body(response, deadline))
    except urllib.error.HTTPError as error:
        with error:
            said = _parsed(_body(error, deadline)).get("error") or error
        raise ValueError(f"the server answers: {said}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ValueError(f"--server={server} does not answer as TensorFlow Serving does: {_reason(error)}") from error
    outputs = answer.get("outputs")
    if not isinstance(outputs, dict):
        raise ValueError(f"--server={server} answers without outputs: it is not TensorFlow Serving's REST port")
    return {name: _as_array(value) for name, value in outputs.items()}


def _body(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """What a server sends.

    Raises:
        ValueError: If that takes too long, or is too much.
    """
    parts, size = [], 0
    while part := response.read1(_CHUNK):
        parts.append(part)
        size += len(part)
        if time.monotonic() > deadline or size > _LARGEST_ANSWER:
            raise ValueError(f"its answer takes more than {_TIMEOUT:g} seconds or {_LARGEST_ANSWER:,} bytes")
    return b"".join(parts)


def _as_array(value: Any) -> np.ndarray:
    """An array of a server's numbers; one without numbers if they are none, which `checked` refuses."""
    try:
        return np.array(value)
    except ValueError:
        return np.array(None)


def _parsed(body: bytes) -> dict[str, Any]:
    """A JSON object that the server sent; empty if it sent something else."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def checked(outputs: Outputs, picture: Image.Image) -> Outputs:
    """Checks that outputs are those of a model that finds objects, for a picture.

    Args:
        outputs: Outputs by name, for a batch of 1.
        picture: The picture that was sent.

    Raises:
        ValueError: If they are not.
    """
    shapes = {"masks": (1, picture.height, picture.width), "num_objects": (1,)}
    for name, shape in shapes.items():
        values = outputs.get(name, np.array(None))
        if values.shape != shape or not np.issubdtype(values.dtype, np.integer):
            raise ValueError(f"the server's answer has no {name} of whole numbers for {shape}: another kind of model?")
    masks, count = outputs["masks"], int(outputs["num_objects"][0])
    if count < 0 or masks.min() < 0:
        raise ValueError("the server's answer has a number of objects or masks below 0: another kind of model?")
    return outputs


def predict_grpc(server: str, model: str, image_bytes: bytes) -> Outputs:
    """Does the same as `predict_rest` over gRPC.

    Args:
        server: The server's host:port.
        model: Name of an encoder.
        image_bytes: Contents of an image file.

    Returns:
        Outputs by name, for a batch of 1.

    Raises:
        ValueError: If the server refuses the request or does not answer.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import grpc
        import tensorflow as tf
        from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_service_pb2_grpc
    except ImportError as error:
        raise ValueError("--protocol=grpc needs the package tensorflow-serving-api") from error
    request = predict_pb2.PredictRequest(
        model_spec=model_pb2.ModelSpec(name=model, signature_name=_SIGNATURE),
        inputs={"image_bytes": tf.make_tensor_proto([image_bytes])},
    )
    with grpc.insecure_channel(server) as channel:
        try:
            response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=_TIMEOUT)
        except grpc.RpcError as error:
            raise ValueError(f"the server answers: {error.details()}") from error
    return {name: tf.make_ndarray(value) for name, value in response.outputs.items()}


def draw_outlines(picture: Image.Image, masks: np.ndarray) -> Image.Image:
    """A copy of a picture, its contrast stretched, enlarged if it is small, with an outline around each object.

    Args:
        picture: The picture that was sent.
        masks: The object that each pixel belongs to, int `[height, width]`, 0 for the background.
    """
    factor = max(1, -(-_SMALLEST_SHOWN // min(picture.size)))
    # Pillow would cut off 16 bits at white.
    values = np.array(picture if picture.mode.startswith("I") else picture.convert("RGB"), float)
    stretched = rescale_intensity(values, in_range="image", out_range=(0.0, 255.0)).astype(np.uint8)
    drawn = np.array(Image.fromarray(stretched).convert("RGB")).repeat(factor, axis=0).repeat(factor, axis=1)
    enlarged = masks.repeat(factor, axis=0).repeat(factor, axis=1)
    drawn[find_boundaries(enlarged, mode="inner")] = _OUTLINE_COLOR
    return Image.fromarray(drawn)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        sys.exit(_INTERRUPTED)
