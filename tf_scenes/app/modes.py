"""The modes that `--mode` chooses from."""

import os
import time
from typing import Any, Optional

import tensorflow as tf

from tf_scenes.app import drawing, experiments, prediction
from tf_scenes.app.build import model_to_export
from tf_scenes.app.resources import require_memory, shortage_as_user_error
from tf_scenes.app.run import Run
from tf_scenes.array_files import write_arrays
from tf_scenes.config import EXPERIMENTS, Config, training_flag_names
from tf_scenes.editing.interventions import TrainedCodec
from tf_scenes.editing.scene_script import read_scene, scripted_description
from tf_scenes.errors import UserError
from tf_scenes.evaluation import evaluate
from tf_scenes.evaluation.classical import evaluate_classical
from tf_scenes.evaluation.samples import sample_scenes
from tf_scenes.files import in_use, write_json, write_text
from tf_scenes.serving import onnx_export, warmup
from tf_scenes.serving.export import export
from tf_scenes.serving.model_card import measured_splits, model_card
from tf_scenes.serving.server_config import add_to_server_config
from tf_scenes.serving.signatures import Limits
from tf_scenes.training import strategies
from tf_scenes.visualization import figures, plots, tensorboard

# Largest side in pixels of the images in warm-up requests: enough for every part of a model to run once.
_WARM_UP_SIDE = 128


def run_mode(config: Config) -> None:
    """Runs the mode that `--mode` names.

    Args:
        config: Configuration of the run.

    Raises:
        UserError: If the user's input or the run's folder does not allow it, or memory or disk space ran out.
    """
    with shortage_as_user_error():
        _run_mode(config)


def _run_mode(config: Config) -> None:
    started, mode = time.time(), config.job.mode
    if mode == "compare":
        job = config.job
        picture = os.path.join(job.run_dir, f"{job.compare_measure}.png")
        drawing.compare(job.compare_runs.split(","), job.compare_measure, picture)
        return
    if mode == "edit" and config.evaluation.edit_models:
        drawing.edit(config)
        return
    if mode in ("train", "export") and config.serving.export_onnx:
        onnx_export.require_packages("--export_onnx")
    hint = warmup.hint(config.serving.warm_up_images) if mode in ("train", "export") else None
    if hint:
        print(hint)
    if config.job.deterministic:
        tf.config.experimental.enable_op_determinism()
    if mode == "train":
        _train(config)
    elif mode == "predict":
        prediction.predict(config)
    else:
        run = Run(config, tf.distribute.get_strategy())
        run.require_training()
        if mode == "evaluate":
            for note in run.dataset.notes:
                print(note)
        if mode in EXPERIMENTS:
            _experiment(run, mode)
        else:
            {"evaluate": _evaluate, "export": _export, "generate": _generate, "edit": _edit}[mode](run)
    print(f"Done in {time.time() - started:.0f} s.")


def _train(config: Config) -> None:
    """Trains, evaluates and exports; of several workers only the chief evaluates and exports."""
    one_device = tf.distribute.get_strategy()
    run = Run(config, strategies.make_strategy(config.job.strategy, config.training.batch_size))
    if not run.is_chief:
        run.train()
        return
    with in_use(run.folder, "run_dir"):
        run.train()
        if config.job.strategy != "default":  # One device is enough for evaluation and export.
            run = Run(config, one_device)
        _evaluate(run)
        _export(run)


def _evaluate(run: Run) -> None:
    """Evaluates the model on the held-out splits: writes `report.json` and figures, and prints a table."""
    batch_size = run.config.evaluation.evaluation_batch_size
    splits = evaluate.evaluate_splits(run.model, run.dataset, run.evaluated_splits, batch_size)
    classical = evaluate_classical(run.dataset, run.evaluated_splits, batch_size)
    write_json(run.report_path, _report(run, splits, classical))
    shown = [name for name in run.evaluated_splits if name in run.dataset.test_splits] or run.evaluated_splits
    pictures = figures.write_figures(run.model, run.dataset, shown, run.results_path("figures"), run.config.job.seed)
    logs = run.results_path("logs")
    tensorboard.write_results(logs, run.config.training_flags(), training_flag_names(), splits, run.steps_taken)
    tensorboard.write_objects(logs, run.model, run.dataset, run.dataset.report_splits[0], batch_size)
    print(evaluate.table(splits, classical))
    print(f"Report: {run.report_path}\nFigures: {', '.join(pictures)}")


def _report(run: Run, splits: dict[str, Any], classical: dict[str, Any]) -> dict[str, Any]:
    """The whole report: with other splits and experiments, unless the model has been trained further since then."""
    before = run.read_report()
    before = before if run.measured(before) else {}
    classical = {**before.get("classical", {}), **classical}
    names = [name for name in (*run.dataset.held_out, *EXPERIMENTS) if name in before and name not in splits]
    compared = {"classical": classical} if classical else {}
    return {**splits, **compared, **run.about(), **{name: before[name] for name in names}}


def _experiment(run: Run, name: str) -> None:
    """Runs an experiment, prints its table, adds it to `report.json`, and writes its figures and `<name>.npz`."""
    outcome = experiments.measure(name, run.config, run.model, run.dataset)
    if outcome.of_images:
        write_arrays(run.results_path(name, ".npz"), outcome.of_images)
    report = run.read_report()
    if not run.measured(report):
        report = run.about()
    write_json(run.report_path, {**report, name: outcome.results})
    print(evaluate.plain_table(outcome.results))
    print(f"Report: {run.report_path}")
    for picture, figure in outcome.figures.items():
        path = os.path.join(run.results_path("figures"), f"{picture}.png")
        plots.save(figure, path)
        print(f"Figure: {path}")


def _export(run: Run) -> None:
    """Exports the encoder and the decoder as SavedModels, with the report, a model card and a server configuration."""
    folder, serving, image_shape = run.config.job.export_dir, run.config.serving, run.dataset.image_shape
    report = {**run.read_report(), "notes": serving.notes()}
    card = model_card(folder, report, run.model.finds_objects) if measured_splits(report) else None
    exported = export(
        model_to_export(run.config, image_shape, run.model),
        image_shape,
        folder,
        Limits(run.config.evaluation.max_inferred_objects, serving.max_image_side),
        serving.keep_versions,
        _warm_up_images(run),
        serving.export_onnx,
    )
    if card is not None:
        write_json(os.path.join(folder, "report.json"), report)
        write_text(os.path.join(folder, "README.md"), card)
    add_to_server_config(folder)
    for name, version in exported.items():
        print(f"Exported {name}: {version}")
        if serving.export_onnx:
            print(f"Exported {name} to ONNX: {os.path.join(version, onnx_export.FOLDER)}")


def _warm_up_images(run: Run) -> Optional[tf.Tensor]:
    count = warmup.number_of_images(run.config.serving.warm_up_images)
    if not count:
        return None
    images = next(iter(run.dataset.evaluation_batches("test", count)))["images"]
    return images[:, :_WARM_UP_SIDE, :_WARM_UP_SIDE]


def _generate(run: Run) -> None:
    """Draws scenes from the prior to `generated.npz` and `figures/generated.png`, or the scene of `--scene_path`."""
    options, (height, width, _) = run.config.evaluation, run.dataset.image_shape
    if options.scene_path:
        _generate_scripted(run, options.scene_path, height, width)
        return
    require_memory(options.num_generated, run.dataset.image_shape, f"--num_generated={options.num_generated:,} scenes")
    description, images = sample_scenes(
        run.model, options.num_generated, height, width, run.config.job.seed, options.generated_max_objects
    )
    drawing.save_scenes(run.folder, "generated", description, images)


def _generate_scripted(run: Run, path: str, height: int, width: int) -> None:
    """Draws the scene of a scene script to `scene.npz` and `figures/scene.png`."""
    model = run.model
    if not model.num_categories:
        raise UserError(f"--scene_path needs a model with categories: --model={run.config.model} has none")
    objects = read_scene(path, _category_names(run), model.num_categories, model.num_attributes)
    example, _ = sample_scenes(model, 1, height, width, seed=0, max_objects=len(objects))
    description = scripted_description(objects, example)
    drawing.save_scenes(run.folder, "scene", description, model.decode(description, height, width).numpy())


def _category_names(run: Run) -> dict[str, int]:
    """Category index by label name, from the correspondence of categories and labels that evaluation found."""
    labels = run.read_report().get("test", {}).get("category_labels") or {}
    return {run.dataset.label_names[label]: int(category) for category, label in labels.items()}


def _edit(run: Run) -> None:
    """Edits scenes with the run's trained model."""
    drawing.edit(run.config, TrainedCodec(run.model, run.dataset.image_shape))
