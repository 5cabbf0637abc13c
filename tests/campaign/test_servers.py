"""What others tell a process: a server's answers to the client, and the cluster that it is to be one of."""

import http.server
import json
import sys
import threading

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from PIL import Image

from tests.campaign.answers import CAMPAIGN, answer, damaged
from tests.conftest import ROOT
from tf_scenes.training import strategies

OUTPUTS = {"masks": np.eye(24, dtype=int)[None].tolist(), "num_objects": [1], "boxes": [[[0, 0, 1, 1]]]}
CLUSTER = {"cluster": {"worker": ["127.0.0.1:1", "b:2"]}, "task": {"type": "worker", "index": 0}}


class _Server(http.server.ThreadingHTTPServer):
    """Answers every request by the bytes that it was given last."""

    body = b""


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *arguments):
        """Nothing: what the client says is looked at."""


@pytest.fixture
def server():
    with _Server(("localhost", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _values():
    """Anything that JSON can say, with the names that are expected among those that it has."""
    names = st.sampled_from(("outputs", "masks", "num_objects", "boxes", "error", "cluster", "worker", "task", "index"))
    numbers = st.one_of(st.integers(), st.floats(), st.sampled_from((2**63, 2**70, -(2**70), 1e308)))
    leaves = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=5), st.sampled_from(("worker", "a:1")))
    return st.recursive(
        leaves, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3))
    )


@pytest.mark.campaign
def test_whatever_a_server_answers(server, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(f"{ROOT}/tools")
    import client

    monkeypatch.chdir(tmp_path)
    Image.new("L", (24, 24)).save("scene.png")
    monkeypatch.setattr(sys, "argv", ["client.py", "scene.png", f"--server=localhost:{server.server_port}"])
    changed = st.builds(
        lambda name, value: json.dumps({"outputs": {**OUTPUTS, name: value}}).encode(),
        st.sampled_from(sorted(OUTPUTS)),
        _values(),
    )
    refused = []

    @hypothesis.settings(CAMPAIGN, max_examples=300)
    @hypothesis.given(st.one_of(damaged(json.dumps({"outputs": OUTPUTS}).encode()), changed))
    def check(body):
        server.body = body
        try:
            client.main()
        except SystemExit as end:
            (line,) = capsys.readouterr().err.splitlines()
            assert end.code == 1 and line.startswith("Error: ") and "scene.png" in line
            refused.append(line)
        else:
            assert "scene.png: " in capsys.readouterr().out
            with Image.open("scene_objects.png") as drawn:
                drawn.load()

    check()
    assert refused


@pytest.mark.campaign
def test_any_description_of_a_cluster(monkeypatch):
    # What would wait for the others.
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", tf.distribute.get_strategy)
    texts = damaged(json.dumps(CLUSTER).encode()).map(lambda text: text.decode("utf-8", "replace").replace("\0", ""))

    @hypothesis.settings(CAMPAIGN, max_examples=300)
    @hypothesis.given(st.one_of(texts, _values().map(json.dumps)))
    def check(text):
        monkeypatch.setenv("TF_CONFIG", text)
        said = answer(strategies.make_strategy, "multi_worker", 8)
        assert said is None or ("TF_CONFIG" in said and "\n" not in said)

    check()
