"""Shows what the shipped models do, in seconds: python tools/demo.py, or make demo.

Each model in saved_models/ infers a few held-out scenes, reconstructs them, and edits an object of each. The pictures
are in runs/demo/index.html. Only the exported models are used, as any program could use them.
"""

import argparse
import html
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from matplotlib.figure import Figure

from tf_scenes.data.datasets import load_bundled_dataset
from tf_scenes.descriptions import NUM_OBJECTS
from tf_scenes.editing.edit_script import Edit
from tf_scenes.editing.interventions import edit_images
from tf_scenes.errors import UserError
from tf_scenes.files import read_json, write_text
from tf_scenes.serving.exported import ExportedModel
from tf_scenes.visualization import plots
from tf_scenes.visualization.figures import edit_sheet

NUM_IMAGES = 6
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


def main() -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="saved_models", help="folder of exported models")
    parser.add_argument("--page", default=os.path.join("runs", "demo"), help="folder of the page")
    arguments = parser.parse_args()
    os.makedirs(arguments.page, exist_ok=True)
    names = sorted(os.listdir(arguments.models)) if os.path.isdir(arguments.models) else []
    names = [name for name in names if os.path.exists(os.path.join(arguments.models, name, "report.json"))]
    if not names:
        sys.exit(f"Error: {arguments.models} holds no exported model with a report.json: train one, or --models=FOLDER")
    try:
        sections = [_show(name, os.path.join(arguments.models, name), arguments.page) for name in names]
    except UserError as error:
        sys.exit(f"Error: {error}")
    path = os.path.join(arguments.page, "index.html")
    write_text(path, f"<!doctype html><meta charset='utf-8'><title>tf_scenes</title>{''.join(sections)}")
    print(f"Pictures: {path}")


def _show(name: str, folder: str, page: str) -> str:
    """Writes the picture of one model and returns its section of the page."""
    report = read_json(os.path.join(folder, "report.json"))
    dataset, model = load_bundled_dataset(report["flags"]), ExportedModel(folder)
    images = next(iter(dataset.evaluation_batches("test", 100)))["images"].numpy()
    description = model.encode(images)
    if NUM_OBJECTS in description:
        sheet = _edited_sheet(model, images, description[NUM_OBJECTS])
    else:
        images = images[:NUM_IMAGES]
        pictures = model.decode(model.encode(images), *images.shape[1:3])
        sheet = plots.image_grid(np.concatenate([images, pictures]), columns=NUM_IMAGES)
    plots.save(sheet, os.path.join(page, f"{name}.png"))
    count = report["test"].get("count_accuracy")
    accuracy = "" if count is None else f", count accuracy {count:.4f}"
    title = html.escape(name)
    return f"<h2>{title}</h2><p>{report['flags']['dataset']}{accuracy}</p><img src='{title}.png'>"


def _edited_sheet(model: ExportedModel, images: np.ndarray, counts: np.ndarray) -> Figure:
    """Scenes of two or more objects, edited; only reconstructions if no image has two."""
    edits = EDITS if (counts >= 2).any() else ()
    images = images[counts >= 2 * bool(edits)][:NUM_IMAGES]
    inferred, _, pictures = edit_images(model, images, edits)
    return edit_sheet(images, inferred, edits, pictures)


if __name__ == "__main__":
    main()
