"""The course of a held-out measure during training, read from TensorBoard's logs."""

import os

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from tf_scenes.errors import UserError
from tf_scenes.training.tensorboard import VALIDATION, tag


def read_curves(folder: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads a held-out measure of a run, or of all runs in a folder.

    Args:
        folder: Folder of a run, or of runs.
        name: Name of the measure, e.g. `count_accuracy`.

    Returns:
        The steps that all runs have reported, int `[reports]`, and values, float `[runs, reports]`.

    Raises:
        UserError: If the folder is neither, a run has no such measure, or the runs have no steps in common.
    """
    read = [dict(zip(*read_curve(run, name))) for run in _runs(folder) or [folder]]
    steps = sorted(set.intersection(*map(set, read)))
    if not steps:
        raise UserError(f"the runs in {folder} reported {name} at no common step: runs with the same flags are needed")
    return np.array(steps), np.array([[values[step] for step in steps] for values in read])


def has_curves(folder: str) -> bool:
    """Whether there are logs of a run, or of runs, in a folder."""
    return bool(_runs(folder))


def _runs(folder: str) -> list[str]:
    """The folder itself if it is that of a run, or else those of the runs in it."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    paths = [folder, *(os.path.join(folder, name) for name in names)]
    runs = [path for path in paths if os.path.isdir(os.path.join(path, "logs", VALIDATION))]
    return runs[:1] if folder in runs else runs


def read_curve(run_dir: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads a held-out measure by optimisation step.

    Args:
        run_dir: Folder of a run.
        name: Name of the measure, e.g. `count_accuracy`.

    Returns:
        Steps, int `[reports]`, and values, float `[reports]`.

    Raises:
        UserError: If the folder has no logs, or if these have no such measure.
    """
    folder = os.path.join(run_dir, "logs", VALIDATION)
    if not os.path.isdir(folder):
        raise UserError(f"{run_dir} holds no TensorBoard logs of a run: {folder} does not exist")
    events = EventAccumulator(folder, size_guidance={TENSORS: 0}).Reload()
    if tag(name) not in events.Tags()["tensors"]:
        raise UserError(
            f"the logs in {folder} have no {name}: it needs a data set with ground truth, or the logs are damaged"
        )
    # A resumed run may have written a step twice; the later value counts.
    values = {event.step: float(make_ndarray(event.tensor_proto)) for event in events.Tensors(tag(name))}
    steps = sorted(values)
    return np.array(steps), np.array([values[step] for step in steps])
