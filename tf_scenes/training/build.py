"""From the configuration to the objects that do the work."""

import tensorflow as tf

from tf_scenes.config import Config
from tf_scenes.data.datasets import Dataset, load_dataset
from tf_scenes.layers.auxiliary_vae import AuxiliaryVAE
from tf_scenes.layers.inference import AppearanceNetwork, LocationNetwork
from tf_scenes.layers.sprite_generator import SpriteGenerator
from tf_scenes.models.lavae import LAVAE, Counting, LavaeSchedules
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.schedules import Ramp

_FINAL_FRACTION = 0.4


def build_dataset(config: Config) -> Dataset:
    """The data set that a configuration names.

    Raises:
        UserError: the data cannot be had or do not fit.
    """
    data = config.data
    return load_dataset(
        data.dataset,
        seed=config.job.seed,
        image_size=data.image_size,
        sprite_size=data.sprite_size,
        sizes=(data.train_size, data.test_size),
        objects=(data.min_objects, data.max_objects, data.test_7_objects),
        mnist_path=data.mnist_path,
        sprites_path=data.sprites_path,
        images_path=data.images_path,
    )


def build_model(config: Config, image_shape: tuple[int, int, int]) -> SceneModel:
    """A compiled model with all its variables, the optimisers' too.

    Args:
        config: the configuration.
        image_shape: height, width and channels of the images to come.
    """
    model = {"lavae": _lavae}[config.model](config, image_shape[-1])
    optimizers = {"lavae": _lavae_optimizers}[config.model](config)
    model.compile(optimizers, steps_per_execution=config.train.steps_per_execution)
    model.build_from(tf.zeros((1, *image_shape)))
    return model


def _lavae(config: Config, channels: int) -> LAVAE:
    options = config.lavae
    return LAVAE(
        location_network=LocationNetwork(
            options.location_channels, options.inference_blocks, options.strides, name="location_network"
        ),
        appearance_network=AppearanceNetwork(
            options.latent_dim,
            options.appearance_channels,
            options.inference_blocks,
            options.strides,
            options.appearance_scale,
            name="appearance_network",
        ),
        sprite_generator=SpriteGenerator(
            options.generated_size, channels, options.generator_channels, options.generator_blocks, name="generator"
        ),
        auxiliary_vae=AuxiliaryVAE(
            channels, options.auxiliary_channels, options.auxiliary_latent_dim, name="auxiliary_vae"
        ),
        schedules=_lavae_schedules(config),
        counting=Counting(options.count_window, options.count_threshold),
        max_objects=config.data.max_objects,
        latent_dim=options.latent_dim,
        max_inferred_objects=config.evaluation.max_inferred_objects,
        logit_factor=options.logit_factor,
        exclusion_radius=options.exclusion_radius,
        target_blur=options.target_blur,
        seed=config.job.seed,
    )


def _lavae_schedules(config: Config) -> LavaeSchedules:
    options = config.lavae
    warm, faded = options.warm_up_steps, options.warm_up_steps + options.warm_up_decay_steps
    return LavaeSchedules(
        temperature=Ramp(options.temperature, options.temperature_final, 0, options.temperature_steps, geometric=True),
        forced_probability=Ramp(1.0, options.forced_probability, warm, faded),
        auxiliary_weight=Ramp(options.auxiliary_weight, 0.0, warm, faded),
        kl_weight=Ramp(options.kl_weight, 1.0, 0, options.kl_steps),
        presence_weight=Ramp(0.0, options.presence_weight, warm, (warm + faded) // 2),
    )


def _lavae_optimizers(config: Config) -> dict[str, tf.keras.optimizers.Optimizer]:
    options, train = config.lavae, config.train
    clip_norm = train.gradient_clip_norm or None
    first_falling = int((1.0 - _FINAL_FRACTION) * train.train_steps)
    default = Ramp(train.learning_rate, train.learning_rate_final, first_falling, train.train_steps)
    location = tf.keras.optimizers.schedules.ExponentialDecay(
        options.location_learning_rate, options.location_decay_steps, options.location_decay
    )
    return {
        "default": tf.keras.optimizers.Adamax(default, global_clipnorm=clip_norm, name="default_adamax"),
        "location": tf.keras.optimizers.Adamax(location, global_clipnorm=clip_norm, name="location_adamax"),
    }
