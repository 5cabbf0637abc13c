"""A run: its data, its model, its folder, and the state of its training."""

import contextlib
import functools
import os
import platform
import re
import shutil
from typing import Any

import numpy as np
import tensorflow as tf

from tf_scenes import __version__
from tf_scenes.app.build import build_model
from tf_scenes.app.pitfalls import hints_before_training, warnings_before_training
from tf_scenes.app.resources import require_memory
from tf_scenes.app.run_folder import CHECKPOINTS, LOGS, check_folder, read_report
from tf_scenes.config import RUN_FLAGS, RUN_MODEL, Config
from tf_scenes.data.datasets import Dataset, load_dataset
from tf_scenes.errors import UserError
from tf_scenes.evaluation.progress import Progress
from tf_scenes.files import read_json, write_json
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.stack import keras
from tf_scenes.training import callbacks, strategies, tensorboard
from tf_scenes.training.checkpoints import make_manager, restore_newest
from tf_scenes.visualization import figures, plots

# In a run's folder: the checksum of the images of training, and the TensorBoard logs.
_IMAGES = "training_images.json"


class Run:
    """One run.

    Attributes:
        config: Configuration of the run.
        dataset: Data set that the model is trained and measured on.
        evaluated_splits: Names of the held-out splits that evaluation measures.
        model: Model, in its state after the steps taken so far.
        folder: Folder that holds everything the run writes, except for exported models.
        is_chief: Whether this process writes the run's results; exactly one of several workers does.
    """

    def __init__(self, config: Config, strategy: tf.distribute.Strategy):
        """Loads the data, builds the model, and restores the run's newest checkpoint if there is one.

        Args:
            config: Configuration of the run.
            strategy: Distribution strategy to train with.

        Raises:
            UserError: If the data cannot be loaded, or the run's folder is damaged or belongs to other flags.
        """
        self.config = config
        self._strategy = strategy
        self.is_chief = strategies.is_chief(strategy)
        self.folder = config.job.run_dir
        check_folder(config)
        keras.utils.set_random_seed(config.job.seed)
        self.dataset: Dataset = load_dataset(config.data, config.job.seed)
        self.evaluated_splits = config.evaluation.splits_among(self.dataset.held_out)
        if config.job.mode == "train":
            batch_size = config.training.batch_size
            require_memory(batch_size, self.dataset.image_shape, f"--batch_size={batch_size:,} images")
        with strategy.scope():
            self.model: SceneModel = build_model(config, self.dataset.image_shape)
            self._train_seconds = tf.Variable(0.0, trainable=False, dtype=tf.float64)
        self._checkpoint = tf.train.Checkpoint(model=self.model, train_seconds=self._train_seconds)
        self.read_report()  # If it is damaged, that is said before any work.
        restore_newest(self._checkpoint, self._checkpoints)
        strategies.require_same_step(strategy, self.steps_taken)

    @property
    def logs(self) -> str:
        """Folder of the TensorBoard logs."""
        return os.path.join(self.folder, LOGS)

    @property
    def _checkpoints(self) -> str:
        return os.path.join(self.folder, CHECKPOINTS)

    @property
    def steps_taken(self) -> int:
        """Number of optimisation steps taken so far, including those of earlier processes."""
        return self.model.steps_taken

    def require_training(self) -> None:
        """Checks that the model has been trained.

        Raises:
            UserError: If it has not been trained at all.
        """
        if not self.steps_taken:
            raise UserError(f"{self.folder} holds no checkpoint: train first (--mode=train with the same flags)")

    # Training.

    def train(self) -> None:
        """Trains from the newest checkpoint on until `--train_steps` steps have been taken.

        Raises:
            UserError: If the model was trained on other images, the loss became NaN, or another worker was lost.
        """
        options = self.config.training
        self._require_same_images()
        if self.steps_taken >= options.train_steps:
            print(f"Training is complete after {self.steps_taken} steps: {self.folder}.")
            return
        if self.steps_taken:
            print(f"Going on from step {self.steps_taken} of {options.train_steps}.")
        if self.is_chief:
            self._print_notes()
            self._claim_folder()
            self._write_flags()
        own_folder = strategies.checkpoint_folder(self._strategy, self._checkpoints)
        manager = make_manager(self._checkpoint, own_folder, options.keep_checkpoints)
        for steps_per_epoch, last_step in stretches(self.steps_taken, options.train_steps, options.steps_per_report):
            if not self.model.stop_training:
                self._fit(steps_per_epoch, last_step, manager)
        if self.model.stop_training:
            raise UserError(
                f"the loss became NaN before step {self.steps_taken + 1}: try a lower --learning_rate, or "
                "--gradient_clip_norm=1000; the last checkpoint before that is kept"
            )
        strategies.remove_own_checkpoints(self._strategy, self._checkpoints)

    def _fit(self, steps_per_epoch: int, last_step: int, manager: tf.train.CheckpointManager) -> None:
        """Trains up to a step; the steps between two reports are an epoch to Keras."""
        held_out = self.dataset.elbo_batches(
            self.dataset.report_splits[0],
            self.config.evaluation.evaluation_batch_size,
            limit=self.config.training.report_size,
        )
        used = self._callbacks(manager)
        with contextlib.ExitStack() as ending, strategies.lost_worker_as_user_error():
            for bar in used:
                if isinstance(bar, callbacks.ProgressBar):
                    ending.callback(bar.close)
            self.model.fit(
                strategies.distribute(self._strategy, self._worker_batches),
                epochs=(last_step - self.steps_taken) // steps_per_epoch,
                steps_per_epoch=steps_per_epoch,
                validation_data=strategies.shared_by_batches(held_out),
                callbacks=used,
                verbose=0,
            )

    def _worker_batches(self, worker: int, workers: int, devices: int) -> tf.data.Dataset:
        """A worker's training batches from the next step on; each is one device's share of the global batch."""
        share = self.config.training.batch_size // (workers * devices)
        first = self.steps_taken * devices
        return self.dataset.training_batches(share, self.config.job.seed, first, shard=(worker, workers))

    def _print_notes(self) -> None:
        for note in (*self.dataset.notes, *hints_before_training(self.config)):
            print(note)
        for warning in warnings_before_training(self.config, self.dataset):
            print(f"Warning: {warning}.")

    def _require_same_images(self) -> None:
        """Checks that training goes on with the images that it began with, which flags do not tell if they are files.

        Raises:
            UserError: If it would not.
        """
        began_with, images = read_json(os.path.join(self.folder, _IMAGES)), self.dataset.training_checksum
        if self.steps_taken and began_with.get("checksum", images) != images:
            raise UserError(
                f"--run_dir={self.folder} holds a model of other training images: choose another --run_dir to train on "
                "these, or use the model as it is by --mode=evaluate, --mode=export or --mode=predict"
            )

    def _claim_folder(self) -> None:
        """Notes in the run's folder, before the first step, which flags and images it is for."""
        if not self.steps_taken:
            shutil.rmtree(os.path.join(self.folder, LOGS), ignore_errors=True)  # Of a start that came to nothing.
            if self.dataset.training_checksum is not None:
                write_json(os.path.join(self.folder, _IMAGES), {"checksum": self.dataset.training_checksum})
        write_json(os.path.join(self.folder, RUN_FLAGS), self.config.training_flags())
        about = {
            "image_shape": list(self.dataset.image_shape),
            "inference_flags": self.config.inference_flags(),
            "paths": self.config.data.absolute_paths(),
            "export_dir": self.config.job.kept_export_dir(),
        }
        write_json(os.path.join(self.folder, RUN_MODEL), about)

    def _write_flags(self) -> None:
        """Writes the flags as a table for TensorBoard."""
        rows = [f"| --{name} | {value} |" for name, value in self.config.flag_values().items()]
        with tensorboard.make_writer(self.logs, tensorboard.VALIDATION).as_default(step=0):
            tf.summary.text("flags", "\n".join(["| flag | value |", "| --- | --- |", *rows]))

    def _callbacks(self, manager: tf.train.CheckpointManager) -> list[keras.callbacks.Callback]:
        options, logs = self.config.training, self.logs
        calibration = self.dataset.training_batches(options.batch_size, self.config.job.seed)
        calibration = calibration.take(-(-options.calibration_size // options.batch_size))
        on_all_workers = [
            *([callbacks.Calibrate(calibration, options.train_steps)] if options.calibration_size else []),
            callbacks.TrainingTime(self._train_seconds),
            callbacks.SaveCheckpoint(manager),
            keras.callbacks.TerminateOnNaN(),
        ]
        if not self.is_chief:
            return on_all_workers
        whole_images = (
            not self.dataset.trains_on_crops
        )  # Whole pictures would take longer than the steps between reports.
        evaluation_batch = self.config.evaluation.evaluation_batch_size
        progress = Progress(self.model, self.dataset, evaluation_batch, options.report_size)
        return [
            *on_all_workers,
            *([callbacks.MeasureHeldOut(progress)] if whole_images else []),
            tensorboard.ScalarsToTensorBoard(logs, options.batch_size),
            tensorboard.PicturesToTensorBoard(logs, self._reconstructions),
            callbacks.ProgressBar(self.steps_taken, options.train_steps),
        ]

    def _reconstructions(self) -> dict[str, np.ndarray]:
        """For each held-out split, its first images above their reconstructions and what was found, by tag."""
        return {
            f"reconstructions/{name}": plots.as_image(figures.reconstruction_sheet(self.model, self.dataset, name))
            for name in self.dataset.report_splits
        }

    # The report.

    @property
    def report_path(self) -> str:
        """Path of `report.json`, as `results_path` says."""
        return self.results_path("report", ".json")

    def results_path(self, name: str, extension: str = "") -> str:
        """Path of a file or folder of results; its name says so if they are of others than the run's own images.

        Args:
            name: Name of the file or folder, without extension.
            extension: Its extension with a dot, if it has one.

        Returns:
            `<name><extension>` in the run's folder, or `<name>_<images><extension>` if `report.json` is about other
            held-out images of a user's.
        """
        return os.path.join(self.folder, f"{name}{self._other_images}{extension}")

    @functools.cached_property
    def _other_images(self) -> str:
        """A suffix that tells a user's held-out images from those that `report.json` is about; empty for these."""
        images = self.dataset.held_out_checksum
        reported = read_report(os.path.join(self.folder, "report.json")).get("data", {})
        if images is None or reported.get("held_out_checksum", images) == images:
            return ""
        path = self.config.data.test_path or self.config.data.images_path
        name = re.sub(r"\W+", "_", os.path.splitext(os.path.basename(os.path.normpath(path)))[0]).strip("_")
        return f"_{name}_{images:08x}"

    def read_report(self) -> dict[str, Any]:
        """Reads the report of what has been measured so far; empty if there is none.

        Raises:
            UserError: If the file is damaged.
        """
        return read_report(self.report_path)

    def measured(self, report: dict[str, Any]) -> bool:
        """Whether a report measures the model in its current state; further training makes a report outdated."""
        return report.get("train_steps") == self.steps_taken

    def about(self) -> dict[str, Any]:
        """The entries of a report that are not measurements: training time, size, flags, machine and versions."""
        return {
            "train_seconds": round(float(self._train_seconds), 1),
            "train_steps": self.steps_taken,
            "parameters": int(sum(np.prod(variable.shape) for variable in self.model.trainable_variables)),
            # Only the flags that training depends on, not folders, which differ between machines.
            "flags": self.config.training_flags(),
            "inference_flags": self.config.inference_flags(),
            "data": self._about_data(),
            "machine": {"processor": _processor(), "cores": os.cpu_count()},
            "versions": {
                "tf_scenes": __version__,
                "tensorflow": tf.__version__,
                "python": platform.python_version(),
            },
        }

    def _about_data(self) -> dict[str, Any]:
        # Without paths outside of the working folder: where it holds the data, the model can be shown on it.
        about = {"origin": self.dataset.origin, "held_out_checksum": self.dataset.held_out_checksum}
        known = {name: value for name, value in about.items() if value is not None}
        return {**self.config.data.portable_paths(), **known}


def stretches(first_step: int, last_step: int, steps_per_report: int) -> list[tuple[int, int]]:
    """The parts of a training whose reports are equally far apart.

    Reports are made after multiples of `steps_per_report`, and after the last step.

    Args:
        first_step: Number of steps that have been taken.
        last_step: Number of steps to take in all.
        steps_per_report: Number of steps between two reports.

    Returns:
        For each part the number of steps between its reports, and the step that it ends with.
    """
    first_report = min(-(-first_step // steps_per_report) * steps_per_report, last_step)
    last_multiple = last_step - last_step % steps_per_report
    ends = [(first_report - first_step, first_report), (steps_per_report, last_multiple)]
    parts, step = [], first_step
    for steps, end in (*ends, (last_step - max(last_multiple, first_report), last_step)):
        if end > step:
            parts.append((steps, end))
            step = end
    return parts


def _processor() -> str:
    """The processor's name, as the operating system reports it."""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
