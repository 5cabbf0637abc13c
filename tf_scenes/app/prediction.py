"""Prediction for a user's picture files, with a trained run or an exported model."""

from tf_scenes import __version__
from tf_scenes.app.build import restored_model
from tf_scenes.app.run_folder import check_folder
from tf_scenes.config import Config
from tf_scenes.errors import UserError
from tf_scenes.prediction import predict as prediction
from tf_scenes.prediction.inputs import find_inputs
from tf_scenes.prediction.objects import found
from tf_scenes.prediction.results import Results
from tf_scenes.prediction.segmenters import Segmenter, TrainedSegmenter
from tf_scenes.serving.exported import ExportedModel


def predict(config: Config) -> None:
    """Finds the objects in the pictures of `--predict_images`, and writes tables, masks and overlays.

    Args:
        config: Configuration with `predict_images`, and with `predict_models` or the folder of a trained run.

    Raises:
        UserError: If the pictures or the model cannot be used, or at the end if some of the pictures could not.
    """
    options, folder = config.prediction, config.prediction.folder(config.job.run_dir)
    files = find_inputs(options.predict_images, folder)
    segmenter, model = _exported_model(config) if options.predict_models else _trained_model(config)
    about = {
        "description": f"Objects found by {model}",
        "version": __version__,
        "predict_scale": options.predict_scale,
    }
    results = Results(folder, about)
    skipped = prediction.predict(segmenter, files, options.predict_scale, results)
    summary = found(results.num_objects, results.num_images)
    print(f"{summary}: {folder} has counts.csv, objects.csv, instances.json, masks/ and overlays/")
    if skipped:
        raise UserError(f"{len(skipped)} of the pictures could not be used; they are named above, all others are done")


def _exported_model(config: Config) -> tuple[Segmenter, str]:
    model = ExportedModel(config.prediction.predict_models)
    model.require_masks()
    return model, f"the exported model {config.prediction.predict_models}"


def _trained_model(config: Config) -> tuple[Segmenter, str]:
    check_folder(config)
    folder = config.job.run_dir
    model, shape = restored_model(folder, config)
    if not model.finds_objects:
        raise UserError(f"--mode=predict needs a model that finds objects: --model={config.model} does not")
    return TrainedSegmenter(model, shape[-1]), f"the run {folder} at step {model.steps_taken}"
