"""The project's job: train, evaluate, export, generate."""

import os
import platform
import time
from typing import Any, Optional

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tf_scenes import __version__, plotting
from tf_scenes.config import EXPERIMENTS, Config, flag_defaults, training_flags
from tf_scenes.data.datasets import Dataset
from tf_scenes.data.descriptions import read_scene
from tf_scenes.errors import UserError
from tf_scenes.evaluation import evaluate, figures, interventions
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.reports import read_report, write_arrays, write_report, write_text
from tf_scenes.serving import warmup
from tf_scenes.serving.export import export
from tf_scenes.serving.model_card import model_card
from tf_scenes.serving.server_config import write_server_config
from tf_scenes.serving.signatures import Limits
from tf_scenes.training import build, callbacks, drawing, experiments, strategies
from tf_scenes.training.checkpoints import restore_newest

keras = tf.keras


class Job:
    """One run: its data, its model, its folder and what has been trained so far."""

    def __init__(self, config: Config, strategy: tf.distribute.Strategy):
        """Builds data and model, and restores the run's last checkpoint where there is one.

        Args:
            config: of the run.
            strategy: that it trains with; only the chief of several workers writes what a run leaves.

        Raises:
            UserError: the data cannot be had, or the run's folder belongs to other flags or is damaged.
        """
        self._config = config
        self._strategy = strategy
        self.is_chief = strategies.is_chief(strategy)
        self._folder = config.job.run_dir
        _claim_folder(self._folder, config, self.is_chief)
        keras.utils.set_random_seed(config.job.seed)
        self._dataset: Dataset = build.build_dataset(config)
        with strategy.scope():
            self._model: SceneModel = build.build_model(config, self._dataset.image_shape)
            self._train_seconds = tf.Variable(0.0, trainable=False, dtype=tf.float64)
        checkpoint = tf.train.Checkpoint(model=self._model, train_seconds=self._train_seconds)
        folder = os.path.join(self._folder, "checkpoints")
        restore_newest(checkpoint, self._manager_of(checkpoint, folder))
        self._manager = self._manager_of(checkpoint, strategies.checkpoint_folder(strategy, folder))
        strategies.require_same_step(strategy, self.steps_taken)

    def _manager_of(self, checkpoint: tf.train.Checkpoint, folder: str) -> tf.train.CheckpointManager:
        keep = self._config.train.keep_checkpoints
        return tf.train.CheckpointManager(checkpoint, folder, max_to_keep=keep, checkpoint_name="step")

    @property
    def steps_taken(self) -> int:
        """Optimisation steps taken so far, in this process or before."""
        return self._model.steps_taken

    def train(self) -> None:
        """Trains up to `--train_steps`, from the last checkpoint on."""
        train = self._config.train
        if self.steps_taken >= train.train_steps:
            print(f"Training is complete: {self.steps_taken} steps in {self._folder}.")
            return
        if self.steps_taken:
            print(f"Going on from step {self.steps_taken} of {train.train_steps}.")
        if self.is_chief:
            self._write_flags()
        in_whole_reports = train.train_steps - train.train_steps % train.steps_per_report
        self._fit(train.steps_per_report, in_whole_reports)
        self._fit(train.train_steps - in_whole_reports, train.train_steps)
        if self.steps_taken < train.train_steps:
            raise UserError(
                f"the loss became NaN before step {self.steps_taken + 1}: try a lower --learning_rate, or "
                "--gradient_clip_norm=1000; the last checkpoint from before is kept"
            )
        strategies.remove_own_checkpoints(self._strategy, os.path.join(self._folder, "checkpoints"))

    def _fit(self, steps_per_epoch: int, last_step: int) -> None:
        """Trains up to a step; an epoch of Keras's is what lies between two reports."""
        if self.steps_taken >= last_step or self._model.stop_training:
            return
        with strategies.lost_worker_is_said():
            self._fit_epochs(steps_per_epoch, (last_step - self.steps_taken) // steps_per_epoch)

    def _fit_epochs(self, steps_per_epoch: int, epochs: int) -> None:
        train = self._config.train
        self._model.fit(
            strategies.distribute(self._strategy, self._worker_batches),
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            validation_data=strategies.shared_by_batches(
                self._dataset.evaluation_batches(
                    "test", self._config.evaluation.evaluation_batch_size, limit=train.report_size
                )
            ),
            callbacks=self._callbacks(),
            verbose=0,
        )

    def _worker_batches(self, worker: int, workers: int, devices: int) -> tf.data.Dataset:
        """A worker's training batches, each one device's share of the global batch, from the next step on."""
        share = self._config.train.batch_size // (workers * devices)
        first = self.steps_taken * devices
        return self._dataset.training_batches(share, self._config.job.seed, first, shard=(worker, workers))

    def _write_flags(self) -> None:
        """The flags as a table for TensorBoard."""
        rows = [f"| --{name} | {value} |" for name, value in self._config.flag_values().items()]
        with tf.summary.create_file_writer(os.path.join(self._folder, "logs")).as_default(step=0):
            tf.summary.text("flags", "\n".join(["| flag | value |", "| --- | --- |", *rows]))

    def _callbacks(self) -> list[keras.callbacks.Callback]:
        train, logs = self._config.train, os.path.join(self._folder, "logs")
        calibration = self._dataset.training_batches(train.batch_size, self._config.job.seed)
        everywhere = [
            callbacks.Calibrate(calibration.take(-(-train.calibration_size // train.batch_size)), train.train_steps),
            callbacks.TrainingTime(self._train_seconds),
            callbacks.SaveCheckpoint(self._manager),
            keras.callbacks.TerminateOnNaN(),
        ]
        if not self.is_chief:
            return everywhere
        return [
            *everywhere,
            callbacks.ScalarsToTensorBoard(logs, write_graph=False),
            callbacks.PicturesToTensorBoard(logs, self._training_sheets),
            callbacks.ProgressBar(self.steps_taken, train.train_steps),
        ]

    def _training_sheets(self) -> dict[str, Figure]:
        return {name: figures.reconstruction_sheet(self._model, self._dataset, name) for name in self._dataset.held_out}

    def evaluate(self) -> None:
        """Measures the model on the held-out splits: `report.json`, a table and figures."""
        self._require_training()
        batch_size = self._config.evaluation.evaluation_batch_size
        splits = evaluate.evaluate_splits(self._model, self._dataset, self._dataset.held_out, batch_size)
        report = {**splits, **self._about(), **self._experiments_so_far()}
        path = self._report_path
        write_report(path, report)
        pictures = figures.write_figures(
            self._model, self._dataset, os.path.join(self._folder, "figures"), self._config.job.seed
        )
        print(evaluate.table(splits))
        print(f"Report: {path}\nFigures: {', '.join(pictures)}")

    @property
    def _report_path(self) -> str:
        return os.path.join(self._folder, "report.json")

    def _experiments_so_far(self) -> dict[str, Any]:
        """Sections of the report about the model as it is now; what was measured before more training is dropped."""
        report = read_report(self._report_path)
        names = EXPERIMENTS if report.get("train_steps") == self.steps_taken else ()
        return {name: report[name] for name in names if name in report}

    def experiment(self, name: str) -> None:
        """Makes an experiment, prints its table, adds it to `report.json`, and writes its figures and `<name>.npz`."""
        self._require_training()
        outcome = experiments.measure(name, self._config, self._model, self._dataset)
        if outcome.of_images:
            write_arrays(os.path.join(self._folder, f"{name}.npz"), outcome.of_images)
        report = read_report(self._report_path)
        if report.get("train_steps") != self.steps_taken:
            report = self._about()
        write_report(self._report_path, {**report, name: outcome.results})
        print(evaluate.plain_table(outcome.results))
        print(f"Report: {self._report_path}")
        for picture, figure in outcome.figures.items():
            path = os.path.join(self._folder, "figures", f"{picture}.png")
            plotting.save(figure, path)
            print(f"Figure: {path}")

    def _about(self) -> dict[str, Any]:
        return {
            "train_seconds": round(float(self._train_seconds), 1),
            "train_steps": self.steps_taken,
            "parameters": int(sum(np.prod(variable.shape) for variable in self._model.trainable_variables)),
            # What the run depends on; not the folders of one machine.
            "flags": training_flags(self._config),
            "machine": {"processor": _processor(), "cores": os.cpu_count()},
            "versions": {
                "tf_scenes": __version__,
                "tensorflow": tf.__version__,
                "python": platform.python_version(),
            },
        }

    def export(self) -> None:
        """Writes encoder and decoder as SavedModels, with the report and a card that says what they are."""
        self._require_training()
        folder = self._config.job.export_dir
        exported = export(
            self._model,
            self._dataset.image_shape,
            folder,
            Limits(self._config.evaluation.max_inferred_objects, self._config.serving.max_image_side),
            self._config.serving.keep_versions,
            self._warm_up_images(),
        )
        report = read_report(self._report_path)
        if "test" in report:
            write_report(os.path.join(folder, "report.json"), report)
            card = model_card(os.path.basename(os.path.normpath(folder)), report)
            write_text(os.path.join(folder, "README.md"), card)
        write_server_config(os.path.dirname(os.path.abspath(folder)))
        for name, version in exported.items():
            print(f"Exported {name}: {version}")

    def _warm_up_images(self) -> Optional[tf.Tensor]:
        count = self._config.serving.warm_up_images
        return next(iter(self._dataset.evaluation_batches("test", count)))["images"] if count else None

    def generate(self) -> None:
        """Draws scenes from the prior: `generated.npz` and `figures/generated.png`; or the one of `--scene_path`."""
        self._require_training()
        options = self._config.evaluation
        height, width, _ = self._dataset.image_shape
        if options.scene_path:
            self._generate_described(options.scene_path, height, width)
            return
        description, images = figures.generate(
            self._model,
            options.num_generated,
            height,
            width,
            self._config.job.seed,
            options.generated_max_objects,
        )
        drawing.save_scenes(self._folder, "generated", description, images)

    def _generate_described(self, path: str, height: int, width: int) -> None:
        if not self._model.num_categories:
            raise UserError(f"--scene_path needs a model with categories: --model={self._config.model} has none")
        objects = read_scene(path, self._category_names(), self._model.num_categories, self._model.num_attributes)
        description, images = figures.draw_scene(self._model, objects, height, width)
        drawing.save_scenes(self._folder, "scene", description, images)

    def _category_names(self) -> dict[str, int]:
        """The number of the category that stands for each label, by the correspondence that evaluation found."""
        report = read_report(self._report_path)
        labels = report.get("test", {}).get("category_labels") or {}
        return {self._dataset.label_names[label]: int(category) for category, label in labels.items()}

    def edit(self) -> None:
        """Edits scenes with the trained model."""
        self._require_training()
        drawing.edit(self._config, interventions.TrainedCodec(self._model, self._dataset.image_shape[:2]))

    def _require_training(self) -> None:
        if not self.steps_taken:
            raise UserError(f"{self._folder} holds no checkpoint: train first (--mode=train with the same flags)")


def run(config: Config) -> None:
    """Does what `--mode` says.

    Raises:
        UserError: bad input of any kind.
    """
    started = time.time()
    if config.job.mode == "compare":
        drawing.compare(config.job.compare_runs.split(","), config.job.run_dir)
        return
    if config.job.mode == "edit" and config.evaluation.edit_models:
        drawing.edit(config)
        return
    if config.job.mode in ("train", "export") and config.serving.warm_up_images:
        warmup.require_package()
    if config.job.deterministic:
        tf.config.experimental.enable_op_determinism()
    one_device = tf.distribute.get_strategy()
    job = Job(
        config,
        strategies.make_strategy(config.job.strategy, config.train.batch_size)
        if config.job.mode == "train"
        else one_device,
    )
    if config.job.mode == "train":
        job.train()
        if not job.is_chief:
            return
        if config.job.strategy != "default":  # One device is enough for what follows, and one worker alone does it.
            job = Job(config, one_device)
        job.evaluate()
        job.export()
    elif config.job.mode in EXPERIMENTS:
        job.experiment(config.job.mode)
    else:
        {"evaluate": job.evaluate, "export": job.export, "generate": job.generate, "edit": job.edit}[config.job.mode]()
    print(f"Done in {time.time() - started:.0f} s.")


def _processor() -> str:
    """The processor's name, as the system gives it."""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def _claim_folder(folder: str, config: Config, is_chief: bool = True) -> None:
    """Makes the run's folder and keeps its flags there; refuses a folder that belongs to other flags."""
    path = os.path.join(folder, "flags.json")
    wanted = training_flags(config)
    if os.path.exists(path):
        kept = read_report(path)
        # A flag that is newer than the run had no effect then, as by default now.
        kept = {**{name: value for name, value in flag_defaults().items() if name in wanted}, **kept}
        names = sorted(name for name in {*kept, *wanted} if kept.get(name) != wanted.get(name))
        if names:
            differences = ", ".join(f"--{name}={wanted.get(name)} (there: {kept.get(name)})" for name in names)
            raise UserError(f"--run_dir={folder} belongs to a run with other flags: {differences}")
        return
    if config.job.mode != "train":
        raise UserError(f"--run_dir={folder} holds no run: train first (--mode=train with the same flags)")
    if is_chief:
        write_report(path, wanted)
