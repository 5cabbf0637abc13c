"""Keras callbacks that save checkpoints, calibrate the model, show progress and measure time."""

import time
from typing import Callable, Optional

import tensorflow as tf
from tqdm import tqdm

from tf_scenes.stack import keras


class SaveCheckpoint(keras.callbacks.Callback):
    """Saves the whole training state after each epoch.

    Only the newest few checkpoints are kept; one that was not written completely is never used.
    """

    def __init__(self, manager: tf.train.CheckpointManager):
        """Creates the callback.

        Args:
            manager: Manager of a checkpoint that tracks the model and its optimisers.
        """
        super().__init__()
        self._manager = manager

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """Saves a checkpoint numbered by the steps taken, unless training was stopped because the loss became NaN."""
        if self.model.stop_training:
            return
        self._manager.save(checkpoint_number=self.model.steps_taken)


class Calibrate(keras.callbacks.Callback):
    """Calibrates the model after the last step, before the last checkpoint is saved."""

    def __init__(self, batches: tf.data.Dataset, last_step: int):
        """Creates the callback.

        Args:
            batches: Batches of training data: dictionaries with `images`, see `TrainableModel.prepare`.
            last_step: Number of steps after which training is complete.
        """
        super().__init__()
        self._batches = batches
        self._last_step = last_step

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """Calibrates the model if training is complete."""
        if self.model.steps_taken >= self._last_step:
            self.model.calibrate(self.model.prepare(batch) for batch in self._batches)


class MeasureHeldOut(keras.callbacks.Callback):
    """Adds measures on held-out scenes to what callbacks after this one read as results of an epoch."""

    def __init__(self, measure: Callable[[], dict[str, float]]):
        """Creates the callback.

        Args:
            measure: Function that measures the model in its current state.
        """
        super().__init__()
        self._measure = measure

    def on_epoch_end(self, epoch: int, logs: Optional[dict[str, float]] = None) -> None:
        """Measures the model; names get Keras's prefix of held-out results, `val_`."""
        logs.update({f"val_{name}": value for name, value in self._measure().items()})


class ProgressBar(keras.callbacks.Callback):
    """A progress bar over all steps with the time left, and a line of results after each epoch."""

    # Scalars of the line of results, besides the KL terms.
    _PRINTED_SCALARS = ("elbo", "reconstruction")

    def __init__(self, first_step: int, last_step: int):
        """Creates the callback.

        Args:
            first_step: Number of steps taken before this process.
            last_step: Number of steps after which training is complete.
        """
        super().__init__()
        self._steps = (first_step, last_step)
        self._bar = None

    def on_train_begin(self, logs: object = None) -> None:
        """Shows the bar."""
        first, last = self._steps
        self._bar = tqdm(total=last, initial=first, unit="step", dynamic_ncols=True, mininterval=1.0)

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        """Advances the bar; `batch` is the last of the batches that ran in one call of TensorFlow."""
        self._bar.update(self.model.steps_taken - self._bar.n)

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """Prints the ELBO's terms in training, and the ELBO, count accuracy and correspondence on held-out scenes."""
        parts = [f"{name} {logs[name]:.1f}" for name in logs if name in self._PRINTED_SCALARS or name.startswith("kl_")]
        held_out = [f"elbo {logs['val_elbo']:.1f}"]
        for name in ("count_accuracy", "correspondence"):
            if f"val_{name}" in logs:
                held_out.append(f"{name.replace('_', ' ')} {logs[f'val_{name}']:.3f}")
        self._bar.write(f"step {self._bar.n}: {', '.join(parts)}; held out: {', '.join(held_out)}")

    def on_train_end(self, logs: object = None) -> None:
        """Closes the bar."""
        self.close()

    def close(self) -> None:
        """Closes the bar if it is shown, so that what is printed next has a line of its own."""
        if self._bar is not None:
            self._bar.close()


class TrainingTime(keras.callbacks.Callback):
    """Adds up the seconds spent on training in a variable that is saved with each checkpoint."""

    def __init__(self, seconds: tf.Variable):
        """Creates the callback.

        Args:
            seconds: Variable that holds the sum, float64 scalar.
        """
        super().__init__()
        self._seconds = seconds
        self._since = None

    def on_train_begin(self, logs: object = None) -> None:
        """Starts the clock."""
        self._since = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """Adds the time since the last epoch, evaluation on held-out scenes included."""
        now = time.monotonic()
        self._seconds.assign_add(now - self._since)
        self._since = now
