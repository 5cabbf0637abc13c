"""Writes what the page in web/ shows: python tools/page_models.py --models=saved_models/lavae,saved_models/nuclei.

For each exported model: its ONNX files, its card, and sample pictures of its data's test splits; and a list of the
models. A model that was converted before is not converted again. `make page` builds the page with it and serves it.
"""

import argparse
import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image

from tf_scenes.app.endings import one_line_errors
from tf_scenes.app.run_folder import read_report
from tf_scenes.data.datasets import Dataset, load_bundled_dataset
from tf_scenes.descriptions import PRESENCE, field
from tf_scenes.errors import UserError
from tf_scenes.files import read_json, require_writable, write_json
from tf_scenes.serving import onnx_export
from tf_scenes.serving.exported import ExportedModel

LIST = "models.json"
SAMPLES = 4
# The longest side in pixels that the page offers: of photographs, and of scenes, which it also draws.
LARGEST_PHOTOGRAPH, LARGEST_SCENE = 1024, 256
# The signatures that it calls: those of models of photographs only find objects.
FOR_SCENES = {"encoder": ("serving_default",), "decoder": ("resized", "sampled")}
FOR_PHOTOGRAPHS = {"encoder": ("segmented",)}


def main() -> None:
    """Writes the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--models",
        default="saved_models/lavae,saved_models/nuclei",
        help="folders of exported models, separated by commas; the page begins with the first one",
    )
    parser.add_argument("--output", default=os.path.join("web", "public", "models"), help="folder to write to")
    arguments = parser.parse_args()
    onnx_export.require_packages("the page")
    require_writable(arguments.output, "output")
    folders = _named(arguments.models)
    reports = {name: read_report(os.path.join(folder, "report.json")) for name, folder in folders.items()}
    for name, report in reports.items():
        if not report:
            sys.exit(
                f"Error: {folders[name]} holds no exported model with a report.json: train one, or --models=FOLDER"
            )
    path = os.path.join(arguments.output, LIST)
    before = {entry["name"]: entry for entry in read_json(path).get("models", ())}
    entries = [
        _model(name, folder, reports[name], os.path.join(arguments.output, name), before.get(name, {}))
        for name, folder in folders.items()
    ]
    write_json(path, {"models": entries})
    for name in set(before) - set(folders):
        shutil.rmtree(os.path.join(arguments.output, name), ignore_errors=True)


def _named(models: str) -> dict[str, str]:
    """The folders of models by the names that the page gives them."""
    folders = [folder.strip() for folder in models.split(",") if folder.strip()]
    names = [os.path.basename(os.path.abspath(folder)) for folder in folders]
    if not folders or len(set(names)) < len(names):
        sys.exit(f"Error: --models={models} must name one folder or more, each with another last name")
    return dict(zip(names, folders))


def _model(name: str, folder: str, report: Mapping[str, Any], output: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """Writes the files of one model; returns its entry in the list."""
    photographs, files = report["flags"]["dataset"] == "images", _fingerprint(folder)
    if before.get("files") == files and os.path.isdir(output):
        print(f"{name}: converted before")
        return {**before, "samples": _samples(name, report, output)}
    print(f"{name}: converting ...", flush=True)
    model = ExportedModel(folder)
    if PRESENCE not in model.signatures["encoder"]["serving_default"].structured_outputs:
        raise UserError(f"{folder} finds no objects, which the page is about: choose another model")
    shutil.rmtree(output, ignore_errors=True)
    for part, signatures in (FOR_PHOTOGRAPHS if photographs else FOR_SCENES).items():
        missing = [name for name in signatures if name not in model.signatures[part]]
        if missing:
            raise UserError(f"the {part} in {folder} has no signature {missing[0]}: export it again (--mode=export)")
        onnx_export.write(model.signatures[part], part, os.path.join(output, part), signatures)
    shutil.copy(os.path.join(folder, "README.md"), output)
    flags = report["flags"]
    return {
        "name": name,
        "photographs": photographs,
        "channels": model.channels,
        "imageSize": [flags["image_size"]] * 2,
        "largestSide": LARGEST_PHOTOGRAPH if photographs else LARGEST_SCENE,
        "fields": {} if photographs else _fields(model, report),
        "samples": _samples(name, report, output),
        "files": files,
    }


def _fields(model: ExportedModel, report: Mapping[str, Any]) -> dict[str, Any]:
    """What the page has to know about the fields of the scenes that the decoder draws."""
    wanted = model.signatures["decoder"]["serving_default"].structured_input_signature[1]
    fields = {}
    for name, spec in wanted.items():
        about = field(name)
        fields[name] = {
            "byObject": about.by_object,
            "shape": spec.shape[2 if about.by_object else 1 :].as_list(),
            "type": spec.dtype.name,
        }
        if about.categorical:
            fields[name]["categories"] = len(report["test"]["category_names"])
        for kind, holds in (("inPixels", about.in_pixels), ("circular", about.circular)):
            if holds:
                fields[name][kind] = True
    return fields


def _samples(name: str, report: Mapping[str, Any], output: str) -> list[dict[str, str]]:
    """Writes some pictures of each test split; without its data, the page has none."""
    try:
        dataset = load_bundled_dataset(report["flags"], report.get("data"))
    except UserError as error:
        print(f"{name}: no sample pictures, since {error}")
        return []
    return [sample for split in dataset.test_splits for sample in _samples_of_split(dataset, split, output)]


def _samples_of_split(dataset: Dataset, split: str, output: str) -> list[dict[str, str]]:
    samples = []
    for batch in dataset.evaluation_batches(split, 1):
        number = len(samples) + 1
        file = os.path.join("samples", f"{split}_{number}.png")
        pixels = np.round(255.0 * batch["images"][0].numpy()).astype(np.uint8)
        os.makedirs(os.path.join(output, "samples"), exist_ok=True)
        Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(os.path.join(output, file))
        samples.append({"file": file, "name": f"{split} {number}{_counted(batch)}"})
        if len(samples) == SAMPLES:
            break
    return samples


def _counted(batch: Mapping[str, Any]) -> str:
    if "counts" not in batch:
        return ""
    count = int(batch["counts"][0])
    return f", {count} object{'s' if count != 1 else ''}"


def _fingerprint(folder: str) -> str:
    """A checksum of an exported model's files and of what converts them."""
    checksum = hashlib.sha256(metadata.version("tf2onnx").encode())
    converter = (Path(__file__), *sorted(Path(onnx_export.__file__).parent.glob("onnx_*.py")))
    files = (path for path in sorted(Path(folder).rglob("*")) if path.is_file())
    for path in (*files, *converter):
        checksum.update(path.name.encode() + path.read_bytes())
    return checksum.hexdigest()


if __name__ == "__main__":
    with one_line_errors():
        main()
