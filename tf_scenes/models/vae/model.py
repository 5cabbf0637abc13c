"""The VAE baseline of LAVAE's paper (section 3 and Appendix B): a fully convolutional beta-VAE without objects."""

import dataclasses
from collections.abc import Mapping
from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp
from typing_extensions import override

from tf_scenes.descriptions import LATENTS
from tf_scenes.layers import gaussian
from tf_scenes.models.scene_model import SceneModel, SceneSpec, Side
from tf_scenes.models.vae.networks import DOWNSAMPLING, SpatialDecoder, SpatialEncoder
from tf_scenes.models.vae.options import VaeOptions
from tf_scenes.stack import keras
from tf_scenes.training import optimizers
from tf_scenes.training.options import TrainingOptions
from tf_scenes.training.schedules import Ramp
from tf_scenes.training.trainable_model import TrainingLoss

tfd = tfp.distributions


class VAE(SceneModel):
    """VAE with a spatial latent tensor: p(z) standard normal, p(x | z) Bernoulli pixels, q(z | x) diagonal Gaussian."""

    def __init__(self, options: VaeOptions, scenes: SceneSpec, name: str = "vae"):
        """Creates the model.

        Args:
            options: Options of the VAE.
            scenes: Scenes that the model is for; limits on the number of objects are ignored.
            name: Name of the model.
        """
        super().__init__(dataclasses.replace(scenes, max_objects=0, max_inferred_objects=0), name=name)
        self.options = options
        self.encoder = SpatialEncoder(options.channels, options.latent_channels, name="encoder")
        self.decoder = SpatialDecoder(options.channels, scenes.image_shape[-1], name="decoder")
        self._kl_weight = Ramp(0.0 if options.kl_steps else 1.0, 1.0, 0, options.kl_steps)

    @property
    @override
    def finds_objects(self) -> bool:
        return False

    @override
    def make_optimizers(self, options: TrainingOptions) -> dict[str, keras.optimizers.Optimizer]:
        """Creates Adamax, the optimiser of LAVAE."""
        rate, clip_norm = optimizers.falling_rate(options), optimizers.clip_norm(options)
        return {optimizers.DEFAULT: optimizers.Adamax(rate, global_clipnorm=clip_norm, name="default_adamax")}

    @override
    def training_loss(self, images: tf.Tensor, step: tf.Tensor, seed: tf.Tensor) -> TrainingLoss:
        """The negative ELBO, with the KL term weighted by beta."""
        posterior = self._posterior((self.encoder(images, training=True),))
        terms = self._elbo_terms(images, posterior, posterior.sample(seed=seed), training=True)
        weight = self._kl_weight(step)
        return TrainingLoss(weight * terms["kl_latents"] - terms["reconstruction"], terms, {"kl_weight": weight})

    @override
    def inference_features(self, images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Means and log-variances of the latents."""
        return (self.encoder(images),)

    @override
    def elbo_terms(
        self,
        images: tf.Tensor,
        seed: tf.Tensor,
        max_objects: Optional[int] = None,
        sampled_kl: bool = False,
        features: tuple[tf.Tensor, ...] = (),
    ) -> dict[str, tf.Tensor]:
        """`reconstruction` and `kl_latents`; `max_objects` is ignored."""
        posterior = self._posterior(features or self.inference_features(images))
        return self._elbo_terms(images, posterior, posterior.sample(seed=seed), sampled_kl=sampled_kl)

    def _elbo_terms(
        self,
        images: tf.Tensor,
        posterior: tfd.Normal,
        latents: tf.Tensor,
        sampled_kl: bool = False,
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        shape, prior = tf.shape(images), tfd.Normal(0.0, 1.0)
        logits = self.decoder(latents, training=training)[:, : shape[1], : shape[2]]
        kl = posterior.log_prob(latents) - prior.log_prob(latents) if sampled_kl else posterior.kl_divergence(prior)
        return {
            "reconstruction": tf.reduce_sum(tfd.Bernoulli(logits).log_prob(images), axis=[1, 2, 3]),
            "kl_latents": tf.reduce_sum(kl, axis=[1, 2, 3]),
        }

    @staticmethod
    def _posterior(features: tuple[tf.Tensor, ...]) -> tfd.Normal:
        return gaussian.from_log_variance(*features)

    @override
    def encode(
        self, images: tf.Tensor, max_objects: Optional[int] = None, seed: Optional[tf.Tensor] = None
    ) -> dict[str, tf.Tensor]:
        """Infers `latents`, float32 `[batch, height / 8, width / 8, latent_channels]`, with sizes rounded up."""
        posterior = self._posterior(self.inference_features(images))
        return {LATENTS: posterior.mean() if seed is None else posterior.sample(seed=seed)}

    @override
    def decode(self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """Decodes latents and crops the result to the canvas, which must not be larger than the area they cover."""
        logits = self.decoder(description[LATENTS])
        large_enough = tf.reduce_all(tf.stack([height, width]) <= tf.shape(logits)[1:3])
        words = "input latents must cover the image, with 8 x 8 pixels each; its shape is"
        with tf.control_dependencies([tf.debugging.Assert(large_enough, [words, tf.shape(description[LATENTS])])]):
            return tf.sigmoid(logits[:, :height, :width])

    @override
    def why_not_a_density(self, binary_images: bool) -> Optional[str]:
        return None if binary_images else "the VAE's Bernoulli pixels are a density of binary images only"

    @override
    def sample_description(
        self,
        num_scenes: int,
        height: Side,
        width: Side,
        seed: tf.Tensor,
        max_objects: Optional[int] = None,
        from_prior: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Draws latents from the prior; `max_objects` and `from_prior` are ignored."""
        shape = [num_scenes, -(-height // DOWNSAMPLING), -(-width // DOWNSAMPLING), self.options.latent_channels]
        return {LATENTS: tf.random.stateless_normal(shape, seed)}

    @override
    def views(self, images: tf.Tensor, description: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Nothing besides images and reconstructions."""
        return {}
