"""The baseline of LAVAE's paper (section 3 and Appendix B): a fully convolutional beta-VAE without objects."""

from collections.abc import Mapping
from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp

from tf_scenes.layers.spatial_vae import DOWNSAMPLING, SpatialDecoder, SpatialEncoder
from tf_scenes.models.scene_model import SceneModel, TrainingLoss
from tf_scenes.schedules import Schedule

tfd = tfp.distributions


class VAE(SceneModel):
    """p(z) = Normal(0, I) on a spatial tensor, p(x | z) Bernoulli pixels; q(z | x) Gaussian, independent by element."""

    def __init__(
        self,
        encoder: SpatialEncoder,
        decoder: SpatialDecoder,
        latent_channels: int,
        kl_weight: Schedule,
        seed: int = 0,
        name: str = "vae",
    ):
        """Creates the model.

        Args:
            encoder: of q(z | x).
            decoder: of p(x | z).
            latent_channels: latents at each place of z.
            kl_weight: beta by step.
            seed: see `SceneModel`.
            name: of the model.
        """
        super().__init__(seed, max_objects=0, max_inferred_objects=0, name=name)
        self.encoder = encoder
        self.decoder = decoder
        self.latent_channels = latent_channels
        self._kl_weight = kl_weight

    @property
    def finds_objects(self) -> bool:
        """See `SceneModel.finds_objects`."""
        return False

    def build_layers(self, images: tf.Tensor, seed: tf.Tensor) -> None:
        """See `SceneModel.build_layers`."""
        self.elbo_terms(images, seed)

    def training_loss(self, images: tf.Tensor, step: tf.Tensor, seed: tf.Tensor) -> TrainingLoss:
        """See `SceneModel.training_loss`: the negative ELBO with its KL weighted by beta."""
        posterior = self._posterior(self.encoder(images, training=True))
        terms = self._elbo_terms(images, posterior, posterior.sample(seed=seed), training=True)
        weight = self._kl_weight(step)
        return TrainingLoss(weight * terms["kl_latents"] - terms["reconstruction"], terms, {"kl_weight": weight})

    def inference_features(self, images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """See `SceneModel.inference_features`: mean and log-variance."""
        return self.encoder(images)

    def elbo_terms(
        self,
        images: tf.Tensor,
        seed: tf.Tensor,
        max_objects: Optional[int] = None,
        sampled_kl: bool = False,
        features: tuple[tf.Tensor, ...] = (),
    ) -> dict[str, tf.Tensor]:
        """See `SceneModel.elbo_terms`: `reconstruction` and `kl_latents`; there are no objects to limit."""
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
    def _posterior(parameters: tuple[tf.Tensor, ...]) -> tfd.Normal:
        mean, log_variance = parameters
        return tfd.Normal(mean, tf.exp(0.5 * log_variance))

    def encode(
        self, images: tf.Tensor, max_objects: Optional[int] = None, seed: Optional[tf.Tensor] = None
    ) -> dict[str, tf.Tensor]:
        """See `SceneModel.encode`: `latents`, float32 `[batch, height / 8, width / 8, latent_channels]`, rounded up."""
        posterior = self._posterior(self.inference_features(images))
        return {"latents": posterior.mean() if seed is None else posterior.sample(seed=seed)}

    def decode(self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """See `SceneModel.decode`; the canvas may not be larger than what the latents cover."""
        logits = self.decoder(description["latents"])
        covered = tf.shape(logits)[1:3]
        tf.debugging.assert_less_equal(
            tf.stack([height, width]), covered, "the image size must be at most 8 times the latents' height and width"
        )
        return tf.sigmoid(logits[:, :height, :width])

    def sample_description(
        self, num_scenes: int, height: int, width: int, seed: tf.Tensor, max_objects: Optional[int] = None
    ) -> dict[str, tf.Tensor]:
        """See `SceneModel.sample_description`; there are no objects to limit."""
        shape = [num_scenes, -(-height // DOWNSAMPLING), -(-width // DOWNSAMPLING), self.latent_channels]
        return {"latents": tf.random.stateless_normal(shape, seed)}

    def views(self, images: tf.Tensor, description: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """See `SceneModel.views`: there is nothing more to show."""
        return {}
