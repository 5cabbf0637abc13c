"""What inference of one object after another is made of: z_where, draws from posteriors, and what came of them."""

import dataclasses
import math
from typing import NamedTuple, Optional

import tensorflow as tf
import tensorflow_probability as tfp

from tf_scenes.layers.affine import Affine
from tf_scenes.models.air.options import AttentionOptions

tfd = tfp.distributions


@dataclasses.dataclass(frozen=True)
class Attention:
    """What z_where is: (scale, x, y), or (scale of x, scale of y, x, y) where these have scales of their own.

    Attributes:
        options: of the loop.
    """

    options: AttentionOptions

    @property
    def dimensions(self) -> int:
        """How many numbers z_where is."""
        return 4 if self.options.separate_scales else 3

    def prior(self) -> tfd.Distribution:
        """p(z_where), before sigmoid and tanh: a Normal on each dimension."""
        scales = self.dimensions - 2
        return tfd.Normal(
            self.prior_mean(), [self.options.scale_stddev] * scales + [self.options.translation_stddev] * 2
        )

    def prior_mean(self) -> tf.Tensor:
        """float32 `[dimensions]`."""
        log_odds = math.log(self.options.mean_scale / (1.0 - self.options.mean_scale))
        return tf.constant([log_odds] * (self.dimensions - 2) + [0.0, 0.0])

    def scale_and_translation(self, where: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """z_where `[..., dimensions]` -> scale `[..., 2]` in (0, 1) and translation `[..., 2]` in (-1, 1), x then y."""
        scale = tf.sigmoid(where[..., :-2])
        return scale if self.options.separate_scales else tf.repeat(scale, 2, axis=-1), tf.tanh(where[..., -2:])


@dataclasses.dataclass(frozen=True)
class SamplingOptions:
    """How latents are drawn from their posteriors.

    Attributes:
        seed: int32 `[2]`; None takes each posterior's mode.
        presence_temperature: of the relaxed presence; None draws 0 or 1.
        category_temperature: of relaxed categories; None draws one-hot vectors.
        sprite_gradient: factor of the gradient that reaches what makes the sprite, in [0, 1]; where it goes has all.
        category_gradient: factor of the gradient that reaches categories through the sprite, in [0, 1].
        core_ops_only: whether the graph must be free of custom ops, as an exported one.
    """

    seed: Optional[tf.Tensor] = None
    presence_temperature: Optional[tf.Tensor] = None
    category_temperature: Optional[tf.Tensor] = None
    sprite_gradient: Optional[tf.Tensor] = None
    category_gradient: Optional[tf.Tensor] = None
    core_ops_only: bool = False

    def of_slot(self, number: int) -> "SamplingOptions":
        """The same for one slot of the loop, with a seed of its own."""
        if self.seed is None:
            return self
        return dataclasses.replace(self, seed=tf.random.experimental.stateless_fold_in(self.seed, number))

    def seed_of(self, name: str) -> tf.Tensor:
        """The seed of one latent, int32 `[2]`; only where latents are drawn."""
        (seed,) = tfp.random.split_seed(self.seed, n=1, salt=name)
        return seed

    def gaussian(self, posterior: tfd.Normal, name: str) -> tf.Tensor:
        """A sample of the latent of that name, reparameterised, or its mean."""
        return posterior.mean() if self.seed is None else posterior.sample(seed=self.seed_of(name))

    def latent(self, posterior: tfd.Normal, prior: tfd.Normal, name: str) -> "Latent":
        """A Gaussian latent of independent dimensions, the last axis of both distributions."""
        value = self.gaussian(posterior, name)
        return Latent(
            value,
            kl=tf.reduce_sum(tfd.kl_divergence(posterior, prior), axis=-1),
            sampled_kl=tf.reduce_sum(posterior.log_prob(value) - prior.log_prob(value), axis=-1),
        )


class Latent(NamedTuple):
    """A draw from a posterior; shapes `[batch, ...]`, nats."""

    value: tf.Tensor
    kl: tf.Tensor  # Exact, given the draws before it.
    sampled_kl: tf.Tensor  # log q - log p at the value.


class Object(NamedTuple):
    """What one glimpse was taken for.

    Attributes:
        latents: what a description holds of it beside its place, name to `[batch, ...]`.
        features: float32 `[batch, features]`, what the LSTM sees of it before the next slot.
        sprite: float32 `[batch, size, size, channels]`, what it looks like.
        pose: what is done to the sprite before scale and translation, or None.
        draws: the draws that the ELBO pays for beside z_where, by the name of their term.
        loss_inputs: what the model's auxiliary loss needs, name to tensor.
    """

    latents: dict[str, tf.Tensor]
    features: tf.Tensor
    sprite: tf.Tensor
    pose: Optional[Affine]
    draws: dict[str, list[Latent]]
    loss_inputs: dict[str, tf.Tensor]


class Slot(NamedTuple):
    """One object of the loop, which may be absent.

    Attributes:
        presence_logits: float32 `[batch]`, log-odds of its presence given that all before it are present.
        relaxed_logits: float32 `[batch]`, its relaxed presence before the sigmoid, given that all before it are
            present; None where presence is exact.
        presence_before: float32 `[batch]`, presence of the slot before it.
        presence: float32 `[batch]`, at most `presence_before`.
        where: z_where, `[batch, dimensions]`.
        state: float32 `[batch, units]`, what the LSTM gave.
        object: what its glimpse was taken for.
        drawing: float32 `[batch, height, width, channels]`, what it adds to the canvas where it is present.
    """

    presence_logits: tf.Tensor
    relaxed_logits: Optional[tf.Tensor]
    presence_before: tf.Tensor
    presence: tf.Tensor
    where: Latent
    state: tf.Tensor
    object: Object
    drawing: tf.Tensor

    def kl(self, sampled: bool = False) -> dict[str, tf.Tensor]:
        """KL terms of what was drawn for this object, name to `[batch]`, nats; see `SceneModel.elbo_terms`."""
        of_pose = self.object.draws.get("kl_where", [])
        draws = {**self.object.draws, "kl_where": [*of_pose, self.where]}
        return {
            name: tf.add_n([latent.sampled_kl if sampled else latent.kl for latent in latents])
            for name, latents in draws.items()
        }


class Inference(NamedTuple):
    """A posterior sample.

    Attributes:
        canvas: float32 `[batch, height, width, channels]`, the sum of the present objects' drawings.
        slots: the objects, in the order in which they were looked for.
    """

    canvas: tf.Tensor
    slots: list[Slot]


def scale_gradient(values: tf.Tensor, factor: Optional[tf.Tensor]) -> tf.Tensor:
    """The values, whose gradient is multiplied by a factor; None leaves it."""
    constant = tf.stop_gradient(values)
    return values if factor is None else constant + factor * (values - constant)
