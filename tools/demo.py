"""Shows what the shipped models do, in about a minute: python tools/demo.py, or make demo.

Each model in saved_models/ infers a few held-out scenes, reconstructs them, and edits an object of each; in photographs
it outlines and counts the objects. The pictures are in runs/demo/index.html. Only the exported models are used, as any
program could use them.
"""

import argparse
import html
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from matplotlib.figure import Figure

from tf_scenes.app.endings import one_line_errors
from tf_scenes.app.run_folder import read_report
from tf_scenes.data import registry
from tf_scenes.data.datasets import Dataset, load_bundled_dataset
from tf_scenes.descriptions import MASKS, NUM_OBJECTS
from tf_scenes.editing.edit_script import Edit
from tf_scenes.editing.interventions import edit_images
from tf_scenes.errors import UserError
from tf_scenes.files import require_writable, write_text
from tf_scenes.serving.exported import ExportedModel
from tf_scenes.serving.model_card import measured_splits
from tf_scenes.visualization import plots
from tf_scenes.visualization.figures import edit_sheet, outline_sheet

NUM_IMAGES, NUM_PHOTOGRAPHS = 6, 5
# Measures that the page names: name in the report, label, format.
SCENE_MEASURES = (("count_accuracy", "a count accuracy of", ".4f"),)
PHOTOGRAPH_MEASURES = (
    ("ap_50", "an average precision (IoU 0.5) of", ".3f"),
    ("count_error", "a mean absolute count error of", ".2f"),
)
# What each picture shows: edits of the first two objects, each applied to what was inferred.
EDITS = (
    Edit("swap 0 1", "swap", (0, 1), ()),
    Edit("reset", "reset", (), ()),
    Edit("move 0 by (-6, 6)", "move", (0,), (-6.0, 6.0)),
    Edit("reset", "reset", (), ()),
    Edit("0 looks like 1", "copy", (0, 1), ()),
    Edit("reset", "reset", (), ()),
    Edit("remove 0", "remove", (0,), ()),
)


_HEAD = (
    "<h1>What the shipped models do</h1><p>Each model below was trained without labels. It describes images by scenes: "
    "how many objects there are, where each is, and what it looks like. Pictures show these descriptions, drawn again."
)


def main() -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="saved_models", help="folder of exported models")
    parser.add_argument("--page", default=os.path.join("runs", "demo"), help="folder of the page")
    arguments = parser.parse_args()
    require_writable(arguments.page, "page")
    names = sorted(os.listdir(arguments.models)) if os.path.isdir(arguments.models) else []
    names = [name for name in names if os.path.exists(os.path.join(arguments.models, name, "report.json"))]
    if not names:
        sys.exit(f"Error: {arguments.models} holds no exported model with a report.json: train one, or --models=FOLDER")
    sections = [_section(name, os.path.join(arguments.models, name), arguments.page) for name in names]
    if not any("<img" in section for section in sections):
        sys.exit("Error: no model can be shown")
    path = os.path.join(arguments.page, "index.html")
    write_text(path, f"<!doctype html><meta charset='utf-8'><title>tf_scenes</title>{_HEAD}{''.join(sections)}")
    print(f"Pictures: {path}")


def _section(name: str, folder: str, page: str) -> str:
    """A model's section of the page, whose picture is written; without its data or files, a line says why."""
    title = html.escape(name)
    try:
        report = read_report(os.path.join(folder, "report.json"))
        shown = _show(folder, report, os.path.join(page, f"{name}.png"))
        text = html.escape(f"{_about(report)} {shown}")
    except (UserError, OSError) as error:
        return _not_shown(name, str(error))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return _not_shown(name, f"{os.path.join(folder, 'report.json')} is damaged ({error!r})")
    return f"<h2>{title}</h2><p>{text}</p><img src='{title}.png' alt='{html.escape(shown)}' style='max-width: 100%'>"


def _not_shown(name: str, reason: str) -> str:
    """The section of a model that cannot be shown."""
    print(f"{name} is not shown: {reason}", file=sys.stderr)
    return f"<h2>{html.escape(name)}</h2><p>Not shown: {html.escape(reason)}</p>"


def _about(report: Mapping[str, Any]) -> str:
    """A sentence on the data of a model and its main measures."""
    split = next(iter(measured_splits(report)), None)
    numbers = [
        f"{label} {report[split][name]:{form}}"
        for name, label, form in (PHOTOGRAPH_MEASURES if "classical" in report else SCENE_MEASURES)
        if split and report[split].get(name) is not None
    ]
    dataset = report["flags"]["dataset"]
    data = report.get("data", {}).get("images_path", dataset)
    measured = f"; on held-out images it has {' and '.join(numbers)}" if numbers else ""
    replaced = registry.entry(dataset).bundled
    note = " Shown here are scikit-learn's digits, on which it was not trained: they need no download."
    return f"Trained on {data} without labels{measured}.{note if replaced else ''}"


def _show(folder: str, report: Mapping[str, Any], path: str) -> str:
    """Writes the picture of one model; returns a sentence on what it shows."""
    dataset, model = load_bundled_dataset(report["flags"], report.get("data")), ExportedModel(folder)
    images = next(iter(dataset.evaluation_batches("test", 100 if dataset.black_background else 1)))["images"].numpy()
    counts = model.encode(images).get(NUM_OBJECTS)
    if counts is None:
        sheet, shown = _reconstructed_sheet(model, images[:NUM_IMAGES]), "Above, held-out images; below, redrawn."
    elif dataset.black_background:
        edits = EDITS if (counts >= 2).any() else ()
        sheet = _edited_sheet(model, images[counts >= 2 * bool(edits)], edits)
        shown = (
            "First row: held-out images, with the objects numbered as they were found. Second row: the scenes drawn "
            "from their descriptions."
        )
        if edits:
            shown += " Below: the same scenes, drawn after the edit that stands beside each row."
    else:
        sheet = _outlined_sheet(model, dataset)
        shown = "Held-out photographs with the outlines that the model found, and below with those that people drew."
    plots.save(sheet, path)
    return shown


def _reconstructed_sheet(model: ExportedModel, images: np.ndarray) -> Figure:
    pictures = model.decode(model.encode(images), *images.shape[1:3])
    return plots.image_grid(np.concatenate([images, pictures]), columns=len(images))


def _outlined_sheet(model: ExportedModel, dataset: Dataset) -> Figure:
    """Photographs, one at a time because sizes may differ, with what is found in them and what is there."""
    model.require_masks()
    examples = list(dataset.evaluation_batches("test", 1, limit=NUM_PHOTOGRAPHS))
    images = [example["images"].numpy() for example in examples]
    masks = [model.segment(image)[MASKS][0] for image in images]
    known = "masks" in dataset.ground_truth
    true_masks = [example["masks"].numpy()[0] for example in examples] if known else None
    return outline_sheet([image[0] for image in images], masks, true_masks)


def _edited_sheet(model: ExportedModel, images: np.ndarray, edits: Sequence[Edit]) -> Figure:
    """The first scenes, reconstructed and edited."""
    images = images[:NUM_IMAGES]
    inferred, _, pictures = edit_images(model, images, edits)
    return edit_sheet(images, inferred, edits, pictures)


if __name__ == "__main__":
    with one_line_errors():
        main()
