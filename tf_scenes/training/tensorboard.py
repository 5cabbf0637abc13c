"""What a run shows in TensorBoard while it trains: scalars, pictures and histograms in groups, by optimisation step.

A run's logs are two folders, `train` and `validation`. A quantity that is measured in both has the same tag, so that
TensorBoard draws both curves in one chart.
"""

import os
import re
import time
from typing import Callable, Optional

import numpy as np
import tensorflow as tf

from tf_scenes.stack import keras

# Returns pictures by name, each uint8 `[height, width, 4]`.
DrawPictures = Callable[[], dict[str, np.ndarray]]

TRAIN, VALIDATION = "train", "validation"
# Keras's prefix of what is measured on held-out images.
_HELD_OUT = "val_"
# The group of a scalar is that of the first pattern that is found in its name.
_GROUPS = (
    ("schedules", r"learning_rate|temperature|_weight$|_probability$|_gradient$|matching_noise|loss_scale"),
    ("categories", r"correspondence|category_information|category_use|candidate"),
    ("elbo", r"elbo|reconstruction|kl_|loss"),
    ("counts", r"count"),
)
_OTHERS = "model"


def tag(name: str) -> str:
    """The tag of a scalar in TensorBoard: its group and its name, e.g. `counts/count_accuracy`."""
    group = next((group for group, pattern in _GROUPS if re.search(pattern, name)), _OTHERS)
    return f"{group}/{name}"


class ScalarsToTensorBoard(keras.callbacks.Callback):
    """Writes the scalars of an epoch, and how many images training takes a second."""

    def __init__(self, log_dir: str, batch_size: int):
        """Creates the callback.

        Args:
            log_dir: Folder of the TensorBoard logs.
            batch_size: Number of images in a step.
        """
        super().__init__()
        self._writers = {name: make_writer(log_dir, name) for name in (TRAIN, VALIDATION)}
        self._batch_size, self._began = batch_size, (0, 0.0)
        self._images_per_second: Optional[float] = None

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        """Starts the clock."""
        self._began, self._images_per_second = (self.model.steps_taken, time.monotonic()), None

    def on_test_begin(self, logs: object = None) -> None:
        """Stops the clock: what follows is no training."""
        self._images_per_second = self._rate()

    def on_epoch_end(self, epoch: int, logs: Optional[dict[str, float]] = None) -> None:
        """Writes all scalars."""
        step = self.model.steps_taken
        held_out = {name[len(_HELD_OUT) :]: logs[name] for name in logs if name.startswith(_HELD_OUT)}
        training = {tag(name): value for name, value in logs.items() if not name.startswith(_HELD_OUT)}
        rate = self._rate() if self._images_per_second is None else self._images_per_second
        training |= {"data/images": float(step * self._batch_size), "data/images_per_second": rate}
        for name, scalars in ((TRAIN, training), (VALIDATION, {tag(name): held_out[name] for name in held_out})):
            with self._writers[name].as_default(step=step):
                for each, value in scalars.items():
                    tf.summary.scalar(each, value)
            self._writers[name].flush()

    def _rate(self) -> float:
        """Images a second since the epoch began."""
        steps, began = self._began
        return (self.model.steps_taken - steps) * self._batch_size / (time.monotonic() - began)


class PicturesToTensorBoard(keras.callbacks.Callback):
    """Writes pictures and histograms of the weights of each part of the model after each epoch."""

    def __init__(self, log_dir: str, draw: DrawPictures):
        """Creates the callback.

        Args:
            log_dir: Folder of the TensorBoard logs.
            draw: Function that draws the pictures, by tag.
        """
        super().__init__()
        self._pictures, self._weights = make_writer(log_dir, VALIDATION), make_writer(log_dir, TRAIN)
        self._draw = draw

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """Draws the pictures and writes them."""
        with self._pictures.as_default(step=self.model.steps_taken):
            for name, picture in self._draw().items():
                tf.summary.image(name, picture[None])
        with self._weights.as_default(step=self.model.steps_taken):
            for name, values in weights_by_part(self.model).items():
                tf.summary.histogram(f"weights/{name}", values)
        self._pictures.flush()
        self._weights.flush()


def make_writer(log_dir: str, name: str, suffix: str = "") -> tf.summary.SummaryWriter:
    """A writer of the logs of training or of validation, whose file is made when something is written.

    Args:
        log_dir: Folder of the run's logs.
        name: `TRAIN` or `VALIDATION`.
        suffix: How the file's name ends, to tell it from others.
    """
    return tf.summary.create_file_writer(os.path.join(log_dir, name), filename_suffix=suffix or None)


def weights_by_part(model: keras.Model) -> dict[str, np.ndarray]:
    """All trained values of each part of a model, by the name of the attribute that holds the part.

    Args:
        model: Model that has been built.

    Returns:
        Values by name, float32 `[values]` each; every trained variable is in one of them if its part is an attribute.
    """
    parts: dict[str, np.ndarray] = {}
    left = {variable.ref() for variable in model.trainable_variables}
    for name, part in vars(model).items():
        variables = part.trainable_variables if isinstance(part, keras.layers.Layer) else [part]
        own = [each for each in variables if isinstance(each, tf.Variable) and each.ref() in left]
        if own:
            parts[name.strip("_")] = np.concatenate([np.ravel(each) for each in own])
            left.difference_update(each.ref() for each in own)
    return parts
