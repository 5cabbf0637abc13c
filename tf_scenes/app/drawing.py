"""Arrays and pictures that are written for a user: generated, scripted and edited scenes, and comparisons of runs."""

import os
from collections.abc import Sequence
from typing import Optional

import numpy as np

from tf_scenes.array_files import read_arrays, write_arrays
from tf_scenes.config import Config
from tf_scenes.data import user_arrays
from tf_scenes.data.datasets import load_dataset
from tf_scenes.descriptions import SMALLEST_SIDE, Description
from tf_scenes.editing import interventions
from tf_scenes.editing.edit_script import read_script
from tf_scenes.errors import UserError
from tf_scenes.serving.exported import ExportedModel
from tf_scenes.visualization import curves, figures, plots


def save_scenes(folder: str, name: str, description: Description, images: np.ndarray) -> None:
    """Writes scenes to `<name>.npz`, and a picture of the first 64 to `figures/<name>.png`.

    Args:
        folder: Folder of the run.
        name: Name of the files, without extension.
        description: Descriptions of the scenes.
        images: Pixel means of the scenes, float32 `[scenes, height, width, channels]`.
    """
    arrays, picture = os.path.join(folder, f"{name}.npz"), os.path.join(folder, "figures", f"{name}.png")
    write_arrays(arrays, {"images": images, **description})
    first = {key: value[:64] for key, value in description.items()}
    plots.save(figures.generated_sheet(first, images[:64]), picture)
    print(f"Generated {len(images)} scene{'s' if len(images) > 1 else ''}: {arrays}, {picture}")


def compare(folders: Sequence[str], measure: str, picture: str) -> None:
    """Plots a held-out measure during training, like figures 5 and 8 of Discrete-AIR's paper.

    Args:
        folders: Folders of runs, or of several runs each; each is a curve, labelled with the end of its path that no
            other one has.
        measure: Name of the measure, e.g. `count_accuracy` or `elbo`.
        picture: Path of the picture.

    Raises:
        UserError: If a folder has no logs, or these have no such measure.
    """
    series = {label: curves.read_curves(folder, measure) for folder, label in zip(folders, _labels(folders))}
    plots.save(plots.curves(series, f"{measure.replace('_', ' ')}, held out"), picture)
    print(f"Figure: {picture}")


def _labels(run_dirs: Sequence[str]) -> list[str]:
    """The shortest ends of paths that differ wherever the paths do."""
    parts = [os.path.abspath(run_dir).split(os.sep) for run_dir in run_dirs]
    for length in range(1, max(map(len, parts)) + 1):
        labels = [os.sep.join(each[-length:]) for each in parts]
        if len(set(labels)) == len({tuple(each) for each in parts}):
            break
    return labels


def edit(config: Config, codec: Optional[interventions.Codec] = None) -> None:
    """Edits scenes as an edit script says, and writes `edited.npz` and `figures/edited.png` to the run's folder.

    Edits of another split than `test` have its name in those of their files: `edited_test_7.npz`.

    Args:
        config: Configuration with `edit_path`, and with `edit_models` if `codec` is not given.
        codec: Trained model to edit with; the exported one in `edit_models` by default.

    Raises:
        UserError: If the edit script, the images or the exported model cannot be used.
    """
    options, folder = config.evaluation, config.job.run_dir
    script = read_script(options.edit_path)
    codec = codec or ExportedModel(options.edit_models)
    if options.edit_images:
        images = read_arrays(options.edit_images, required=("images",))["images"]
        images = user_arrays.as_uint8_images(images, f"images in {options.edit_images}")[: options.num_edited]
        _require_fitting(images, codec, options.edit_images)
        images = images / np.float32(255)
    else:
        dataset = load_dataset(config.data, config.job.seed)
        images = interventions.images_to_edit(dataset, codec, script, options.num_edited, options.edit_split)
    inferred, after, pictures = interventions.edit_images(codec, images, script)
    name = "edited" if options.edit_images or options.edit_split == "test" else f"edited_{options.edit_split}"
    arrays, picture = os.path.join(folder, f"{name}.npz"), os.path.join(folder, "figures", f"{name}.png")
    texts = np.array([each.text for each in script])
    write_arrays(arrays, {"input": images, "images": pictures, "edits": texts, **after[-1]})
    plots.save(figures.edit_sheet(images, inferred, script, pictures), picture)
    print(f"Edited {len(images)} scene{'s' if len(images) > 1 else ''}: {arrays}, {picture}")


def _require_fitting(images: np.ndarray, codec: interventions.Codec, path: str) -> None:
    """Checks that a model takes a user's images.

    Raises:
        UserError: If it does not.
    """
    height, width, channels = images.shape[1:]
    if channels != codec.channels:
        raise UserError(
            f"--edit_images={path} holds images with {channels} channel{'s' if channels > 1 else ''}: the model takes "
            f"images with {codec.channels}"
        )
    if min(height, width) < SMALLEST_SIDE:
        raise UserError(f"--edit_images={path} holds images of {height} x {width} pixels: {SMALLEST_SIDE} are needed")
