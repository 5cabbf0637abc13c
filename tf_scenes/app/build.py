"""Building a compiled model from a configuration, and restoring that of a run."""

import os
from collections.abc import Sequence
from typing import Optional

import tensorflow as tf

from tf_scenes.app.resources import weights_within_memory
from tf_scenes.app.run_folder import CHECKPOINTS
from tf_scenes.config import RUN_MODEL, Config, model_of_run
from tf_scenes.data.datasets import load_dataset
from tf_scenes.descriptions import SMALLEST_SIDE
from tf_scenes.errors import UserError
from tf_scenes.models import registry
from tf_scenes.models.scene_model import SceneModel, SceneSpec
from tf_scenes.serving.half_precision import keep_in_half_precision
from tf_scenes.stack import keras
from tf_scenes.training.checkpoints import restore_newest
from tf_scenes.training.optimizers import GroupedOptimizer


def build_model(config: Config, image_shape: tuple[int, int, int]) -> SceneModel:
    """Builds and compiles a model, and creates all its variables, including its optimiser's.

    Args:
        config: Configuration of the run.
        image_shape: Height, width and channels of the training images.

    Raises:
        UserError: If these are not three numbers, images of that shape are too small, or the model would not fit into
            memory.
    """
    if len(image_shape) != 3 or min(image_shape[:2]) < SMALLEST_SIDE or image_shape[2] not in (1, 3):
        raise UserError(
            f"image_shape={tuple(image_shape)} must be (height, width, channels), with at least {SMALLEST_SIDE} pixels "
            "of height and width and 1 or 3 channels"
        )
    keras.mixed_precision.set_global_policy(config.training.precision)
    scenes = SceneSpec(
        image_shape=image_shape,
        max_objects=config.data.max_objects,
        max_inferred_objects=config.evaluation.max_inferred_objects,
        seed=config.job.seed,
    )
    with weights_within_memory():
        model = registry.entry(config.model).model_class()(*config.own_model_options(), scenes)
        optimizer = GroupedOptimizer(model.make_optimizers(config.training), model.variable_groups)
        model.compile(optimizer, steps_per_execution=config.training.steps_per_execution)
        model.build((None, *image_shape))
    return model


def model_to_export(config: Config, image_shape: tuple[int, int, int], model: SceneModel) -> SceneModel:
    """A trained model with weights of the type that exported ones have.

    Args:
        config: Configuration of the run.
        image_shape: Height, width and channels of the training images.
        model: The trained model.

    Returns:
        The model itself for `--export_weights=float32`, else a copy, for inference only.
    """
    if config.serving.export_weights == "float32":
        return model
    copy = build_model(config, image_shape)
    for own, trained in zip(copy.variables, model.variables):
        own.assign(trained)
    keep_in_half_precision(copy)
    return copy


def restored_model(folder: str, config: Config) -> tuple[SceneModel, tuple[int, int, int]]:
    """A run's trained model, built without the run's data.

    Args:
        folder: Folder of the run.
        config: Configuration with the run's flags.

    Returns:
        The model, and height, width and number of channels of the images that it was built for.

    Raises:
        UserError: If the run has not been trained at all, or its checkpoint cannot be read.
    """
    shape = _image_shape(folder, config)
    model = build_model(config, shape)
    try:
        restore_newest(tf.train.Checkpoint(model=model), os.path.join(folder, CHECKPOINTS))
    except UserError as error:
        raise UserError(
            f"{folder} cannot be used: its checkpoints are damaged or of another version of tf_scenes, or its "
            f"{RUN_MODEL} is of another run, with images of {' x '.join(map(str, shape))}"
        ) from error
    if not model.steps_taken:
        raise UserError(f"{folder} holds no checkpoint: train first")
    return model, shape


def _image_shape(folder: str, config: Config) -> tuple[int, int, int]:
    shape: Optional[Sequence[int]] = model_of_run(folder).get("image_shape")
    # Runs of earlier versions did not write it down.
    return load_dataset(config.data, config.job.seed).image_shape if shape is None else tuple(shape)
