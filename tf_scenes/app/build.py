"""Building a compiled model from a configuration."""

from tf_scenes.config import Config
from tf_scenes.models import registry
from tf_scenes.models.scene_model import SceneModel, SceneSpec
from tf_scenes.serving.half_precision import keep_in_half_precision
from tf_scenes.stack import keras
from tf_scenes.training.optimizers import GroupedOptimizer


def build_model(config: Config, image_shape: tuple[int, int, int]) -> SceneModel:
    """Builds and compiles a model, and creates all its variables, including its optimiser's.

    Args:
        config: Configuration of the run.
        image_shape: Height, width and channels of the training images.
    """
    keras.mixed_precision.set_global_policy(config.training.precision)
    scenes = SceneSpec(
        image_shape=image_shape,
        max_objects=config.data.max_objects,
        max_inferred_objects=config.evaluation.max_inferred_objects,
        seed=config.job.seed,
    )
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
