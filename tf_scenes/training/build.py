"""From the configuration to the objects that do the work."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_scenes.config import AttentionConfig, Config, DataConfig
from tf_scenes.data.datasets import Dataset, load_dataset
from tf_scenes.layers.attention import Localization, Refinement
from tf_scenes.layers.auxiliary_vae import AuxiliaryVAE
from tf_scenes.layers.inference import AppearanceNetwork, LocationNetwork
from tf_scenes.layers.invariance import ViewRange
from tf_scenes.layers.spatial_vae import SpatialDecoder, SpatialEncoder
from tf_scenes.layers.sprite_generator import SpriteGenerator
from tf_scenes.layers.template_matching import TemplateMatching
from tf_scenes.layers.templates import ObjectDecoder, TemplateDecoder
from tf_scenes.models.air import AIR
from tf_scenes.models.discrete_air import DiscreteAIR, DiscreteAirSchedules
from tf_scenes.models.lavae import LAVAE, Counting, LavaeSchedules
from tf_scenes.models.object_inference import Attention
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.models.vae import VAE
from tf_scenes.schedules import Ramp
from tf_scenes.training.optimizers import Adam, Adamax

_FINAL_FRACTION = 0.4
_BUNDLED = {
    "multi_mnist_1k": "multi_digits",
    "multi_mnist_10k": "multi_digits",
    "multi_mnist_air": "multi_digits_air",
}


def build_dataset(config: Config) -> Dataset:
    """The data set that a configuration names.

    Raises:
        UserError: the data cannot be had or do not fit.
    """
    return build_scenes(config.data, config.job.seed)


def build_scenes(data: DataConfig, seed: int) -> Dataset:
    """The same from its own options and a seed."""
    return load_dataset(
        data.dataset,
        seed=seed,
        image_size=data.image_size,
        sprite_size=data.sprite_size,
        sizes=(data.train_size, data.test_size),
        objects=(data.min_objects, data.max_objects, data.many_objects),
        mnist_path=data.mnist_path,
        sprites_path=data.sprites_path,
        images_path=data.images_path,
    )


def build_bundled_scenes(flags: Mapping[str, Any]) -> Dataset:
    """The data set of a report's flags, for a look at a model; for MNIST's digits stand scikit-learn's, which are here.

    Args:
        flags: of a report.
    """
    names = {field.name for field in dataclasses.fields(DataConfig)}
    options = {name: value for name, value in flags.items() if name in names}
    options["dataset"] = _BUNDLED.get(options["dataset"], options["dataset"])
    return build_scenes(DataConfig(**options), flags["seed"])


def build_model(config: Config, image_shape: tuple[int, int, int]) -> SceneModel:
    """A compiled model with all its variables, the optimisers' too.

    Args:
        config: the configuration.
        image_shape: height, width and channels of the images to come.
    """
    tf.keras.mixed_precision.set_global_policy(config.train.precision)
    make_model, make_optimizers = {
        "lavae": (_lavae, _lavae_optimizers),
        "vae": (_vae, _adamax),
        "air": (_air, _adam),
        "discrete_air": (_discrete_air, _discrete_air_optimizers),
    }[config.model]
    model, optimizers = make_model(config, image_shape), make_optimizers(config)
    model.compile(optimizers, steps_per_execution=config.train.steps_per_execution)
    model.build_from(tf.zeros((1, *image_shape)))
    return model


def _lavae(config: Config, image_shape: tuple[int, int, int]) -> LAVAE:
    options, channels = config.lavae, image_shape[-1]
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
    options, clip_norm = config.lavae, config.train.gradient_clip_norm or None
    location = tf.keras.optimizers.schedules.ExponentialDecay(
        options.location_learning_rate, options.location_decay_steps, options.location_decay
    )
    return {
        **_adamax(config),
        "location": Adamax(location, global_clipnorm=clip_norm, name="location_adamax"),
    }


def _adamax(config: Config) -> dict[str, tf.keras.optimizers.Optimizer]:
    clip_norm = config.train.gradient_clip_norm or None
    adamax = Adamax(_learning_rate(config), global_clipnorm=clip_norm, name="default_adamax")
    return {"default": adamax}


def _vae(config: Config, image_shape: tuple[int, int, int]) -> VAE:
    options = config.vae
    return VAE(
        encoder=SpatialEncoder(options.channels, options.latent_channels, name="encoder"),
        decoder=SpatialDecoder(options.channels, image_shape[-1], name="decoder"),
        latent_channels=options.latent_channels,
        kl_weight=Ramp(0.0 if options.kl_steps else 1.0, 1.0, 0, options.kl_steps),
        seed=config.job.seed,
    )


def _learning_rate(config: Config, factor: float = 1.0) -> Ramp:
    train = config.train
    first_falling = int((1.0 - _FINAL_FRACTION) * train.train_steps)
    return Ramp(factor * train.learning_rate, factor * train.learning_rate_final, first_falling, train.train_steps)


def _adam(config: Config) -> dict[str, tf.keras.optimizers.Optimizer]:
    clip_norm = config.train.gradient_clip_norm or None
    return {"default": Adam(_learning_rate(config), global_clipnorm=clip_norm)}


def _discrete_air_optimizers(config: Config) -> dict[str, tf.keras.optimizers.Optimizer]:
    rate = _learning_rate(config, config.discrete_air.decoder_learning_rate_factor)
    clip_norm = config.train.gradient_clip_norm or None
    return {**_adam(config), "decoder": Adam(rate, global_clipnorm=clip_norm, name="decoder_adam")}


def _loop(config: Config, image_shape: tuple[int, int, int]) -> dict[str, Any]:
    """What AIR and Discrete-AIR share."""
    options = config.attention
    attention = Attention(
        separate_scales=options.separate_scales,
        mean_scale=options.mean_scale,
        scale_stddev=options.scale_stddev,
        translation_stddev=options.translation_stddev,
        surroundings=options.surroundings,
    )
    dimensions, channels = attention.dimensions, _glimpse_channels(options)
    return {
        "localization": Localization(options.units, dimensions, options.convolutional, name="localization"),
        "refinement": Refinement(128, dimensions, channels, name="refinement") if options.surroundings else None,
        "attention": attention,
        "glimpse_size": options.glimpse_size,
        "image_size": image_shape[:2],
        "pixel_stddev": options.pixel_stddev,
        "continue_probability": Ramp(
            options.continue_probability,
            options.continue_probability_final,
            options.continue_first_step,
            options.continue_first_step + options.continue_steps,
            geometric=True,
        ),
        "presence_credit": _from(options.continue_first_step, 1.0),
        "presence_temperature": options.presence_temperature,
        "estimator": options.estimator,
        "prunes": options.prunes,
        "max_objects": config.data.max_objects,
        "max_inferred_objects": config.evaluation.max_inferred_objects,
        "seed": config.job.seed,
    }


def _glimpse_channels(options: AttentionConfig) -> tuple[int, ...]:
    return (16, 32) if options.convolutional else ()


def _air(config: Config, image_shape: tuple[int, int, int]) -> AIR:
    options = config.attention
    return AIR(
        what_dim=config.air.what_dim,
        decoder=ObjectDecoder(options.glimpse_size, image_shape[-1], options.decoder_units, name="decoder"),
        encoder_units=options.encoder_units,
        encoder_channels=_glimpse_channels(options),
        **_loop(config, image_shape),
    )


def _discrete_air(config: Config, image_shape: tuple[int, int, int]) -> DiscreteAIR:
    options, shared = config.discrete_air, config.attention
    rotates = options.pose in ("rotation", "rotation_and_skew")
    return DiscreteAIR(
        decoder=TemplateDecoder(
            options.num_categories,
            options.num_attributes,
            shared.glimpse_size,
            image_shape[-1],
            options.combination,
            shared.decoder_units,
            name="decoder",
        ),
        matching=TemplateMatching(
            options.num_categories, options.num_rotations if rotates else 1, shared.glimpse_size, name="matching"
        ),
        encoder_units=shared.encoder_units,
        encoder_channels=(32, 64) if shared.convolutional else (),
        pose=options.pose,
        schedules=_discrete_air_schedules(config),
        view_range=ViewRange(rotation=math.radians(options.view_rotation)),
        num_heads=options.invariance_heads,
        **_loop(config, image_shape),
    )


def _discrete_air_schedules(config: Config) -> DiscreteAirSchedules:
    options = config.discrete_air
    matching_end = options.matching_first_step + options.matching_steps
    return DiscreteAirSchedules(
        temperature=Ramp(options.temperature, options.temperature_final, 0, options.temperature_steps, geometric=True),
        matching_noise=Ramp(
            options.matching_noise,
            options.matching_noise_final,
            options.matching_first_step,
            matching_end,
            geometric=True,
        ),
        matching_weight=Ramp(options.matching_weight, options.matching_weight, 0, 0),
        invariance_weight=_from(options.invariance_first_step, options.invariance_weight),
        # Without template matching only the ELBO trains templates.
        sprite_gradient=_from(options.elbo_first_step if options.matching_weight else 0, 1.0),
        category_gradient=_from(options.elbo_first_step, 1.0),
    )


def _from(step: int, value: float) -> Ramp:
    """0 before a step, `value` from it on."""
    return Ramp(0.0 if step else value, value, step - 1, step)
