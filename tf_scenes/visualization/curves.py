"""The course of a held-out measure during training, read from TensorBoard's logs or from what was kept of them."""

import os
from collections.abc import Iterable

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from tf_scenes.errors import UserError
from tf_scenes.files import read_json, write_json
from tf_scenes.training.tensorboard import VALIDATION, tag

_KEPT = "curves.json"


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
    """Whether there are logs of a run, or of runs, in a folder, or curves that were kept."""
    return bool(_runs(folder))


def _runs(folder: str) -> list[str]:
    """The folder itself if it is that of a run, or else those of the runs in it."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    paths = [folder, *(os.path.join(folder, name) for name in names)]
    runs = [path for path in paths if os.path.isdir(_logs(path)) or os.path.exists(os.path.join(path, _KEPT))]
    return runs[:1] if folder in runs else runs


def _logs(run_dir: str) -> str:
    return os.path.join(run_dir, "logs", VALIDATION)


def keep_curves(run_dir: str, names: Iterable[str], folder: str) -> None:
    """Writes those measures that a run has to a small file in another folder, where `read_curve` finds them.

    Args:
        run_dir: Folder of a run with logs.
        names: Names of measures.
        folder: Folder to write to.
    """
    events = _events(run_dir)
    curves = {name: _curve(events, name) for name in names if _has(events, name)}
    contents = {name: {"steps": steps.tolist(), "values": values.tolist()} for name, (steps, values) in curves.items()}
    write_json(os.path.join(folder, _KEPT), contents)


def read_curve(run_dir: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads a held-out measure by optimisation step.

    Args:
        run_dir: Folder of a run, or one that `keep_curves` wrote to.
        name: Name of the measure, e.g. `count_accuracy`.

    Returns:
        Steps, int `[reports]`, and values, float `[reports]`.

    Raises:
        UserError: If the folder has no logs, or if these have no such measure.
    """
    path = os.path.join(run_dir, _KEPT)
    if os.path.exists(path):
        return _kept_curve(path, name)
    events = _events(run_dir)
    if not _has(events, name):
        raise UserError(
            f"the logs in {_logs(run_dir)} have no {name}: it needs a data set with ground truth, or the logs are "
            "damaged"
        )
    return _curve(events, name)


def _kept_curve(path: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    curves = read_json(path)
    if name not in curves:
        raise UserError(f"{path} has no {name}: allowed are {', '.join(curves) or 'none'}")
    try:
        steps, values = (np.array(curves[name][key], dtype) for key, dtype in (("steps", int), ("values", float)))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged: {name} is not a list of steps and one of values") from error
    return steps, values


def _events(run_dir: str) -> EventAccumulator:
    """The logs of a run.

    Raises:
        UserError: If there are none.
    """
    folder = _logs(run_dir)
    if not os.path.isdir(folder):
        raise UserError(f"{run_dir} holds no TensorBoard logs of a run: {folder} does not exist")
    return EventAccumulator(folder, size_guidance={TENSORS: 0}).Reload()


def _has(events: EventAccumulator, name: str) -> bool:
    return tag(name) in events.Tags()["tensors"]


def _curve(events: EventAccumulator, name: str) -> tuple[np.ndarray, np.ndarray]:
    # A resumed run may have written a step twice; the later value counts.
    values = {event.step: float(make_ndarray(event.tensor_proto)) for event in events.Tensors(tag(name))}
    steps = sorted(values)
    return np.array(steps), np.array([values[step] for step in steps])
