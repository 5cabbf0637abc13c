"""The course of a held-out measure during training, read from TensorBoard's logs."""

import os

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from tf_scenes.errors import UserError
from tf_scenes.training.tensorboard import VALIDATION, tag


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
