"""What an evaluated run shows in TensorBoard: its flags beside its measures, and its objects in the projector."""

import glob
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.plugins import projector
from tensorboard.plugins.hparams import api as hparams

from tf_scenes.data.datasets import Dataset
from tf_scenes.descriptions import APPEARANCE, LOCATIONS, as_arrays, is_present
from tf_scenes.files import write_text, write_whole
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.training.tensorboard import VALIDATION, make_writer

# Objects in the projector, and the side of their pictures.
_OBJECTS, _SPRITE = 1_000, 32
# In the table of TensorBoard's HPARAMS, for splits that all runs have and for those that were measured.
_SPLITS = ("validation", "test")
_RESULTS = ".results"  # How the name of the file ends that holds them.
_MEASURES = ("elbo", "count_accuracy", "correspondence", "ap_50", "foreground_iou", "mse")


def write_results(
    log_dir: str,
    flags: Mapping[str, Any],
    columns: Sequence[str],
    splits: Mapping[str, Mapping[str, Any]],
    step: int,
) -> None:
    """Writes a run's flags and the measures of its splits, for the tab HPARAMS, in place of those of an earlier call.

    Args:
        log_dir: Folder of the run's logs.
        flags: Values by flag.
        columns: All flags that a run of any model may have: of several runs TensorBoard takes the columns of the first.
        splits: Measures of each split by name.
        step: Number of steps taken.
    """
    plain = (bool, int, float, str)
    values = {name: value if isinstance(value, plain) else str(value) for name, value in flags.items()}
    measured = {
        f"results/{split}_{name}": measures[name]
        for split, measures in splits.items()
        for name in _MEASURES
        if measures.get(name) is not None
    }
    names = dict.fromkeys((*_SPLITS, *splits))
    for earlier in glob.glob(os.path.join(glob.escape(log_dir), VALIDATION, f"*{_RESULTS}")):
        os.remove(earlier)  # Points of the same step would be drawn twice.
    with make_writer(log_dir, VALIDATION, _RESULTS).as_default(step=step):
        hparams.hparams_config(
            hparams=[hparams.HParam(name) for name in columns],
            metrics=[hparams.Metric(f"results/{split}_{name}") for split in names for name in _MEASURES],
        )
        # TensorBoard averages the measures of runs with the same flags, unless it is told that they are others.
        hparams.hparams(values, trial_id=os.path.abspath(log_dir))
        for tag, value in measured.items():
            tf.summary.scalar(tag, value)


def write_objects(log_dir: str, model: SceneModel, dataset: Dataset, split_name: str, batch_size: int) -> None:
    """Writes inferred objects' appearances with their sprites, for the tab PROJECTOR; nothing if there are none.

    Args:
        log_dir: Folder of the run's logs.
        model: Trained model.
        dataset: Data set.
        split_name: Name of the held-out split whose first images are taken.
        batch_size: Number of images that are inferred at once.
    """
    vectors, sprites, rows = [], [], []
    for batch in dataset.evaluation_batches(split_name, batch_size, limit=_OBJECTS):
        description = model.encode(batch["images"])
        if APPEARANCE not in description:
            return
        present = is_present(description).numpy()
        shown = model.views(batch["images"], description)["sprites"].numpy()
        description = as_arrays(description)
        vectors += list(description[APPEARANCE][present])
        sprites += [_thumbnail(sprite) for sprite in shown[present]]
        peaks = shown[present].max(axis=(1, 2, 3))
        rows += [_row(place, peak) for place, peak in zip(description[LOCATIONS][present], peaks)]
        if len(vectors) >= _OBJECTS:
            break
    if len(vectors) > 1:
        _write_embedding(os.path.join(log_dir, VALIDATION), vectors[:_OBJECTS], sprites[:_OBJECTS], rows[:_OBJECTS])


def _row(place: np.ndarray, peak: float) -> str:
    return f"{place[0]:.1f}\t{place[1]:.1f}\t{peak:.2f}"


def _thumbnail(sprite: np.ndarray) -> np.ndarray:
    """A sprite as uint8 `[side, side, 3]`."""
    resized = tf.image.resize(sprite, [_SPRITE, _SPRITE]).numpy()
    return np.round(255 * np.clip(np.broadcast_to(resized, (_SPRITE, _SPRITE, 3)), 0, 1)).astype(np.uint8)


def _write_embedding(folder: str, vectors: list[np.ndarray], sprites: list[np.ndarray], rows: list[str]) -> None:
    side = math.ceil(math.sqrt(len(sprites)))
    sheet = np.zeros((side * side, _SPRITE, _SPRITE, 3), np.uint8)
    sheet[: len(sprites)] = sprites
    sheet = sheet.reshape(side, side, _SPRITE, _SPRITE, 3).swapaxes(1, 2).reshape(side * _SPRITE, side * _SPRITE, 3)
    write_whole(os.path.join(folder, "objects.png"), lambda file: file.write(tf.io.encode_png(sheet).numpy()))
    table = "\n".join("\t".join(f"{value:.4f}" for value in each) for each in vectors)
    write_text(os.path.join(folder, "objects.tsv"), table + "\n")
    write_text(os.path.join(folder, "objects_metadata.tsv"), "\n".join(["y\tx\tpeak", *rows]) + "\n")
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name, embedding.tensor_path = "appearances of objects", "objects.tsv"
    embedding.metadata_path = "objects_metadata.tsv"
    embedding.sprite.image_path = "objects.png"
    embedding.sprite.single_image_dim.extend([_SPRITE, _SPRITE])
    projector.visualize_embeddings(folder, config)
