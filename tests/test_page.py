"""The page in web/: what it is built from, and its own tests, which need Node.js and Chromium."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import ROOT, load_tool
from tf_scenes.data.datasets import load_dataset
from tf_scenes.data.options import DataOptions
from tf_scenes.descriptions import decoded
from tf_scenes.errors import UserError
from tf_scenes.files import read_json
from tf_scenes.serving import onnx_export
from tf_scenes.serving.exported import ExportedModel

WEB = os.path.join(ROOT, "web")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


def _has_node():
    found = shutil.which("node") and subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    return bool(found) and tuple(map(int, found.strip("v\n").split(".")[:2])) >= (20, 19)


needs_node = pytest.mark.skipif(
    not _has_node(), reason="Node.js 20.19 or newer is missing: the tests of the page in web/ were left out"
)
needs_conversion = pytest.mark.skipif(
    not importlib.util.find_spec("tf2onnx"), reason="tf2onnx is missing: nothing was converted to ONNX for the page"
)
needs_browser = pytest.mark.skipif(
    not os.path.exists(CHROMIUM),
    reason=f"Chromium is missing ({CHROMIUM}; CHROMIUM=FILE names another): the page was not tried in a browser",
)


def _failures(output: str) -> str:
    """What a run of Node's tests says of those that failed, or its end if none did."""
    lines = output.splitlines()
    failed = [index for index, line in enumerate(lines) if line.lstrip().startswith("not ok")]
    return "\n".join("\n".join(lines[index : index + 25]) for index in failed) or output[-5000:]


@needs_node
def test_scenes_histories_masks_and_pictures_of_the_page():
    tests = [os.path.join("test", name) for name in ("scene.test.js", "pixels.test.js")]
    result = subprocess.run(["node", "--test", *tests], cwd=WEB, capture_output=True, text=True)
    assert result.returncode == 0, _failures(result.stdout)


@pytest.mark.slow
@needs_node
@needs_browser
@needs_conversion
def test_the_page_as_a_person_uses_it():
    command = ["make", "page-test", f"VENV={sys.prefix}"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, _failures(result.stdout) + result.stderr[-2000:]


_SAVE = """
import { requestOf, scenesOf } from './src/scene.js';
const { fields, description, height, width } = JSON.parse(await new Response(process.stdin).text());
const tensors = Object.fromEntries(
  Object.entries(description).map(([name, { dims, data }]) => [name, { dims, data: Float32Array.from(data) }]),
);
console.log(JSON.stringify(requestOf(scenesOf(tensors, fields, height, width)[0], fields)));
"""


@pytest.mark.slow
@needs_node
def test_a_saved_scene_is_a_request_that_the_decoder_draws():
    model = ExportedModel(os.path.join(ROOT, "saved_models", "lavae"))
    shapes = load_dataset(DataOptions(dataset="multi_dsprites", test_size=1), 5)
    images = next(iter(shapes.evaluation_batches("test_7", 1)))["images"].numpy()
    description = decoded(model.encode(images))
    described = {name: {"dims": value.shape, "data": value.ravel().tolist()} for name, value in description.items()}
    shapes_of_fields = {name: list(value.shape[2:]) for name, value in description.items()}
    fields = {name: {"byObject": True, "shape": shape, "type": "float32"} for name, shape in shapes_of_fields.items()}
    scene = {"fields": fields, "description": described, "height": 64, "width": 64}
    said = subprocess.run(
        ["node", "--input-type=module", "--eval", _SAVE],
        input=json.dumps(scene),
        cwd=WEB,
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stderr
    request = json.loads(said.stdout)
    signature = model.signatures["decoder"][request["signature_name"]]
    types = signature.structured_input_signature[1]
    drawn = signature(**{name: tf.constant(value, types[name].dtype) for name, value in request["inputs"].items()})
    np.testing.assert_allclose(drawn["images"], model.decode(description, 64, 64), atol=1e-6)


@pytest.fixture
def page_models(monkeypatch):
    """The tool, with a conversion that takes no time: gives the tool and the signatures that it converted."""
    pytest.importorskip("tf2onnx")
    module = load_tool("page_models")
    converted = []

    class Converted:
        @staticmethod
        def SerializeToString():  # noqa: N802
            return b"a model"

    monkeypatch.setattr(onnx_export, "converted", lambda signature, name: converted.append(name) or Converted())
    return module, converted


def _run(module, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["page_models.py", *arguments])
    module.main()


@pytest.mark.slow
def test_a_models_files_samples_and_entry(page_models, monkeypatch, tmp_path):
    module, converted = page_models
    saved, output = os.path.join(ROOT, "saved_models"), tmp_path / "models"
    _run(module, monkeypatch, f"--models={saved}/lavae/", f"--output={output}")
    assert converted == ["encoder/serving_default", "decoder/resized", "decoder/sampled"]
    (entry,) = read_json(str(output / "models.json"))["models"]
    assert (entry["name"], entry["photographs"], entry["channels"], entry["imageSize"]) == ("lavae", False, 3, [64, 64])
    assert entry["fields"] == {
        "presence": {"byObject": True, "shape": [], "type": "float32"},
        "locations": {"byObject": True, "shape": [2], "type": "float32", "inPixels": True},
        "appearance": {"byObject": True, "shape": [32], "type": "float32"},
    }
    assert len(entry["samples"]) == 8 and entry["samples"][4]["name"] == "test_7 1, 7 objects"
    assert all((output / "lavae" / sample["file"]).read_bytes()[1:4] == b"PNG" for sample in entry["samples"])
    assert "LAVAE" in (output / "lavae" / "README.md").read_text()

    # What is there is kept, what others put there too; another list of models takes its place, and its files go.
    _run(module, monkeypatch, f"--models={saved}/lavae", f"--output={output}")
    assert len(converted) == 3
    (output / "mine").mkdir()
    (output / ".DS_Store").write_text("what a file manager leaves")
    _run(module, monkeypatch, f"--models={saved}/nuclei", f"--output={output}")
    assert converted[3:] == ["encoder/segmented"]
    assert sorted(os.listdir(output)) == [".DS_Store", "mine", "models.json", "nuclei"]
    (entry,) = read_json(str(output / "models.json"))["models"]
    assert entry["photographs"] and entry["fields"] == {} and entry["channels"] == 1


def test_a_folder_without_a_model_is_named(page_models, monkeypatch, tmp_path):
    module, _ = page_models
    with pytest.raises(SystemExit, match="mine holds no exported model with a report"):
        _run(module, monkeypatch, f"--models={tmp_path}/mine", f"--output={tmp_path}/models")
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("models", ["", " , ", "a/lavae,b/lavae"])
def test_lists_of_models_are_checked(page_models, monkeypatch, tmp_path, models):
    module, _ = page_models
    with pytest.raises(SystemExit, match=f"--models={models} must name one folder or more"):
        _run(module, monkeypatch, f"--models={models}", f"--output={tmp_path}/models")


def test_a_model_that_finds_no_objects_is_refused(page_models, monkeypatch, tmp_path):
    module, _ = page_models
    folder = os.path.join(ROOT, "saved_models", "vae")
    with pytest.raises(UserError, match="vae finds no objects, which the page is about"):
        _run(module, monkeypatch, f"--models={folder}", f"--output={tmp_path}/models")
    assert not (tmp_path / "models" / "models.json").exists()


def test_a_page_without_the_models_data_has_no_samples(page_models, tmp_path, capsys):
    module, _ = page_models
    report = {"flags": {"dataset": "images", "seed": 0}}
    assert module._samples("mine", report, str(tmp_path)) == []
    assert (
        "mine: no sample pictures, since the model's report does not say where its data is" in capsys.readouterr().out
    )
