"""The client of docs/serving.md against a loopback server that answers from an exported model, by the documented
formats of TensorFlow Serving's REST API and its gRPC messages."""

import base64
import contextlib
import http.server
import json
import re
import socket
import threading
import time
from concurrent import futures

import grpc
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tests.conftest import load_tool
from tests.models.model_table import COMMON, FINDS_MUCH, MODELS, example_images
from tf_scenes.app.build import build_model
from tf_scenes.serving.export import export
from tf_scenes.serving.signatures import Limits
from tf_scenes.stack import keras

client = load_tool("client")

# What the server answers if there is no such signature.
_UNKNOWN = 'Serving signature name: "{}" not found in signature def'
PIXELS = np.round(255 * example_images()[5]).astype(np.uint8)


@pytest.fixture(scope="module")
def encoder(make_config, tmp_path_factory):
    keras.utils.set_random_seed(0)
    model = build_model(make_config(*COMMON, *MODELS["lavae"], *FINDS_MUCH), (24, 24, 1))
    folders = export(model, (24, 24, 1), str(tmp_path_factory.mktemp("saved")), Limits(5, 64), keep_versions=1)
    return tf.saved_model.load(folders["encoder"])


@pytest.fixture(scope="module")
def rest_server(encoder):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/models/lavae_encoder:predict"
            assert set(body) == {"signature_name", "inputs"}
            inputs = {name: [base64.b64decode(each["b64"]) for each in value] for name, value in body["inputs"].items()}
            try:
                if body["signature_name"] not in encoder.signatures:
                    raise tf.errors.InvalidArgumentError(None, None, _UNKNOWN.format(body["signature_name"]))
                outputs = encoder.signatures[body["signature_name"]](
                    **{name: tf.constant(value) for name, value in inputs.items()}
                )
                status, answer = 200, {"outputs": {name: value.numpy().tolist() for name, value in outputs.items()}}
            except tf.errors.InvalidArgumentError as error:
                status, answer = 400, {"error": error.message}
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("localhost", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"localhost:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def grpc_server(encoder):
    class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):  # noqa: N802 - named by gRPC
            assert request.model_spec.name == "lavae_encoder"
            inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
            try:
                outputs = encoder.signatures[request.model_spec.signature_name](**inputs)
            except tf.errors.InvalidArgumentError as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
            protos = {name: tf.make_tensor_proto(value.numpy()) for name, value in outputs.items()}
            return predict_pb2.PredictResponse(outputs=protos)

    server = grpc.server(futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Servicer(), server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    yield f"localhost:{port}"
    server.stop(None)


@pytest.fixture(params=["rest", "grpc"])
def ask(request):
    server = request.getfixturevalue(f"{request.param}_server")
    predict = {"rest": client.predict_rest, "grpc": client.predict_grpc}[request.param]
    return lambda image_bytes: predict(server, "lavae_encoder", image_bytes)


def test_answers_are_the_model_s(ask, encoder):
    outputs = ask(tf.io.encode_png(PIXELS).numpy())
    expected = encoder.signatures["segmented"](images=tf.constant(PIXELS[None] / np.float32(255)))
    assert outputs.keys() == expected.keys()
    assert outputs["masks"].any()
    assert outputs["num_objects"][0] > 0
    for name, value in expected.items():
        np.testing.assert_allclose(outputs[name], value, atol=1e-6)


def test_what_the_server_refuses_is_reported(ask):
    with pytest.raises(ValueError, match="image_bytes"):
        ask(b"no image")


def test_a_model_without_masks_is_reported_with_what_to_do(rest_server, encoder, tmp_path, monkeypatch, capsys):
    Image.fromarray(PIXELS[..., 0]).save(tmp_path / "scene.png")
    monkeypatch.setattr("sys.argv", ["client.py", str(tmp_path / "scene.png"), f"--server={rest_server}"])
    with monkeypatch.context() as patch:
        patch.setattr(encoder, "signatures", {"encoded": encoder.signatures["encoded"]})
        with pytest.raises(SystemExit, match=r"^1$"):
            client.main()
        assert re.search(r"scene.png: .*encoded_segmented.* exported again\n$", capsys.readouterr().err)
    client.main()
    assert "objects, see" in capsys.readouterr().out
    assert Image.open(tmp_path / "scene_objects.png").size == (264, 264)


# Of a picture of 24 x 24 pixels in which there is one object.
GOOD = {"masks": np.ones((1, 24, 24), int).tolist(), "num_objects": [1], "boxes": [[[0, 0, 1, 1]]]}


def _http(body, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (_http(json.dumps({"outputs": GOOD})), None),
        (_http(json.dumps({"outputs": {**GOOD, "boxes": [[[float("nan"), 0, 1e30, 1]]]}})), None),
        (_http("null"), "answers without outputs"),
        (_http("[1]"), "answers without outputs"),
        (_http(10_000 * "["), "answers without outputs"),
        (_http("not json"), "answers without outputs"),
        (_http('{"outputs": [1, 2]}'), "answers without outputs"),
        (_http('{"outputs": {"latents": [[[[0.5]]]]}}'), "no masks of whole numbers for .*another kind of model"),
        (_http(json.dumps({"outputs": {**GOOD, "masks": [[[1]]]}})), "no masks of whole numbers for"),
        (_http(json.dumps({"outputs": {**GOOD, "num_objects": [0.5]}})), "no num_objects of whole numbers"),
        (_http(json.dumps({"outputs": {**GOOD, "num_objects": ["many"]}})), "no num_objects of whole numbers"),
        (_http(json.dumps({"outputs": {**GOOD, "masks": [[1], [1, 2]]}})), "no masks of whole numbers for"),
        (_http(json.dumps({"outputs": {**GOOD, "num_objects": [-3]}})), "a number of objects or masks below 0"),
        (_http('{"error": null}', "500 Internal Server Error"), "the server answers: HTTP Error 500"),
        (_http('{"error": "no\\nsuch model"}', "404 Not Found"), "the server answers: no such model"),
        (_http("<html>", "502 Bad Gateway"), "the server answers: HTTP Error 502"),
        (b"hello\r\n\r\n", "hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", "answers without outputs"),
        (b"", "closed connection without response"),
        (None, "timed out"),
    ],
)
def test_whatever_a_server_answers_is_one_line(tmp_path, monkeypatch, capsys, answer, message):
    Image.fromarray(PIXELS[..., 0]).save(tmp_path / "scene.png")
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        listening.listen()
        server = f"localhost:{listening.getsockname()[1]}"
        monkeypatch.setattr("sys.argv", ["client.py", str(tmp_path / "scene.png"), f"--server={server}"])
        monkeypatch.setattr(client, "_TIMEOUT", 0.5 if answer is None else 10.0)

        def serve():
            connection, _ = listening.accept()
            with connection:
                connection.recv(2**20)
                if answer is None:
                    time.sleep(1.0)
                else:
                    connection.sendall(answer)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(2**20):  # What is left of the request: closed before, it would be reset.
                        pass

        thread = threading.Thread(target=serve)
        thread.start()
        if message is None:
            client.main()
            assert "scene.png: 1 objects, see" in capsys.readouterr().out
        else:
            with pytest.raises(SystemExit, match=r"^1$"):
                client.main()
            (line,) = capsys.readouterr().err.splitlines()
            assert re.search(rf"^Error: .*scene\.png: .*{message}", line)
        thread.join()


def test_a_server_that_answers_forever_is_left(tmp_path, monkeypatch, capsys):
    Image.fromarray(PIXELS[..., 0]).save(tmp_path / "scene.png")
    monkeypatch.setattr(client, "_TIMEOUT", 0.5)
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        listening.listen()
        server = f"localhost:{listening.getsockname()[1]}"
        monkeypatch.setattr("sys.argv", ["client.py", str(tmp_path / "scene.png"), f"--server={server}"])

        def drip():
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(2**20)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                for _ in range(100):
                    connection.sendall(b"{")
                    time.sleep(0.1)

        thread = threading.Thread(target=drip)
        thread.start()
        with pytest.raises(SystemExit, match=r"^1$"):
            client.main()
        thread.join()
    assert "its answer takes more than 0.5 seconds" in capsys.readouterr().err


def test_two_pictures_of_one_name_are_refused_before_any_is_sent(monkeypatch):
    monkeypatch.setattr("sys.argv", ["client.py", "a.png", "a.jpg"])
    with pytest.raises(SystemExit, match=r"a\.png and a\.jpg would both be drawn as a_objects\.png"):
        client.main()


def test_other_files_are_done_where_one_cannot_be_read(rest_server, tmp_path, monkeypatch, capsys):
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(PIXELS[..., 0]).save(tmp_path / name)
    content = (tmp_path / "b.png").read_bytes()
    (tmp_path / "b.png").write_bytes(content[: len(content) // 2])
    paths = [str(tmp_path / name) for name in ("a.png", "b.png", "none.png", "c.png")]
    monkeypatch.setattr("sys.argv", ["client.py", *paths, f"--server={rest_server}"])
    with pytest.raises(SystemExit, match=r"^1$"):
        client.main()
    printed = capsys.readouterr()
    assert printed.out.count("objects, see") == 2
    assert [line.split(": ")[1] for line in printed.err.splitlines()] == paths[1:3]


@pytest.mark.parametrize(
    "flags", [["--server=no such host"], ["--server=localhost:1"], ["--server=a b:c"], ["--server=[::1"]]
)
def test_a_server_that_is_not_there_is_one_line(tmp_path, monkeypatch, capsys, flags):
    Image.fromarray(PIXELS[..., 0]).save(tmp_path / "scene.png")
    monkeypatch.setattr("sys.argv", ["client.py", str(tmp_path / "scene.png"), "--model=my model", *flags])
    with pytest.raises(SystemExit, match=r"^1$"):
        client.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert flags[0] in line


def test_objects_are_outlined_and_the_picture_stays_as_it_is_elsewhere():
    masks = np.zeros((64, 32), int)
    masks[16:48, 8:20] = 1
    masks[16:48, 20:32] = 7
    drawn = np.asarray(client.draw_outlines(Image.new("L", (32, 64), 90), masks))
    assert drawn.shape == (512, 256, 3)
    outlined = (drawn == [255, 64, 64]).all(-1)
    assert (drawn[~outlined] == 90).all()
    expected = np.zeros((512, 256), bool)
    for left, right in ((64, 160), (160, 256)):  # Eight pixels for one; the picture's edge is not an outline.
        expected[128:384, left:right] = True
        expected[129:383, left + 1 : right - (right < 256)] = False
    np.testing.assert_array_equal(outlined, expected)


def test_pictures_of_16_bits_are_shown_with_all_their_contrast():
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) + 1000
    drawn = np.asarray(client.draw_outlines(Image.fromarray(ramp), np.zeros((64, 64), int)))
    np.testing.assert_array_equal(drawn[::4, ::4, 0], (ramp - 1000) * 255.0 // (64 * 64 - 1))
