"""Parts of the inference of one object after another: z_where, draws from posteriors, inferred objects and slots."""

import dataclasses
import math
from typing import NamedTuple, Optional

import tensorflow as tf
import tensorflow_probability as tfp

from tf_scenes.models.air.options import AttentionOptions

tfd = tfp.distributions

# Largest translation of a guess; of 1 the inverse of tanh would be infinite.
_MOST_TRANSLATION = 0.97


@dataclasses.dataclass(frozen=True)
class Attention:
    """The layout of z_where: (scale, x, y), or (scale of x, scale of y, x, y) with a separate scale for each axis.

    Attributes:
        options: Options of the loop over objects.
    """

    options: AttentionOptions

    @property
    def dimensions(self) -> int:
        """Number of dimensions of z_where."""
        return 4 if self.options.separate_scales else 3

    def prior(self) -> tfd.Distribution:
        """p(z_where) before sigmoid and tanh: an independent Normal for each dimension."""
        scales = self.dimensions - 2
        return tfd.Normal(
            self.prior_mean(), [self.options.scale_stddev] * scales + [self.options.translation_stddev] * 2
        )

    def prior_mean(self) -> tf.Tensor:
        """Mean of p(z_where) before sigmoid and tanh: float32 `[dimensions]`."""
        log_odds = math.log(self.options.mean_scale / (1.0 - self.options.mean_scale))
        return tf.constant([log_odds] * (self.dimensions - 2) + [0.0, 0.0])

    def scale_and_translation(self, where: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """z_where `[..., dimensions]` -> scale `[..., 2]` in (0, 1) and translation `[..., 2]` in (-1, 1), x then y."""
        scale = tf.sigmoid(where[..., :-2])
        return scale if self.options.separate_scales else tf.repeat(scale, 2, axis=-1), tf.tanh(where[..., -2:])

    def before_tanh(self, translation: tf.Tensor) -> tf.Tensor:
        """The last two dimensions of z_where for a translation `[..., 2]`, which is moved into the canvas first."""
        return tf.atanh(tf.clip_by_value(translation, -_MOST_TRANSLATION, _MOST_TRANSLATION))


@dataclasses.dataclass(frozen=True)
class SamplingOptions:
    """How latents are drawn from their posteriors.

    Attributes:
        seed: Random seed, int32 `[2]`; None to take each posterior's mode.
        presence_temperature: Temperature of the relaxed presence; None to draw 0 or 1.
        category_temperature: Temperature of relaxed categories; None to draw one-hot vectors.
        sprite_gradient: Factor in [0, 1] of the gradient with respect to the sprite; the gradient with respect to the
            sprite's place is not reduced. None for 1.
        category_gradient: Factor in [0, 1] of the gradient that reaches categories through the sprite; None for 1.
        guesses: Number of places at which each object is looked for, from 1 to 9.
        core_ops_only: Whether the graph must be free of custom ops, as that of an exported model must.
    """

    seed: Optional[tf.Tensor] = None
    presence_temperature: Optional[tf.Tensor] = None
    category_temperature: Optional[tf.Tensor] = None
    sprite_gradient: Optional[tf.Tensor] = None
    category_gradient: Optional[tf.Tensor] = None
    guesses: int = 1
    core_ops_only: bool = False

    def of_slot(self, number: int) -> "SamplingOptions":
        """The options for one slot of the loop, with a seed of its own; `number` is its index."""
        if self.seed is None:
            return self
        return dataclasses.replace(self, seed=tf.random.experimental.stateless_fold_in(self.seed, number))

    def seed_of(self, name: str) -> tf.Tensor:
        """The seed of the latent of that name, int32 `[2]`; requires `seed`."""
        (seed,) = tfp.random.split_seed(self.seed, n=1, salt=name)
        return seed

    def gaussian(self, posterior: tfd.Normal, name: str) -> tf.Tensor:
        """A reparameterised sample of the latent of that name, or without a seed its mean."""
        return posterior.mean() if self.seed is None else posterior.sample(seed=self.seed_of(name))

    def latent(self, posterior: tfd.Normal, prior: tfd.Normal, name: str) -> "Latent":
        """Draws a Gaussian latent whose dimensions, the last axis of both distributions, are independent."""
        value = self.gaussian(posterior, name)
        return Latent(
            value,
            kl=tf.reduce_sum(tfd.kl_divergence(posterior, prior), axis=-1),
            sampled_kl=tf.reduce_sum(posterior.log_prob(value) - prior.log_prob(value), axis=-1),
        )


class Latent(NamedTuple):
    """A draw from a posterior.

    Attributes:
        value: Values drawn, `[batch, ...]`.
        kl: KL from the prior, exact given earlier draws, `[batch]`, in nats.
        sampled_kl: Log q - log p at the value, `[batch]`, in nats.
    """

    value: tf.Tensor
    kl: tf.Tensor
    sampled_kl: tf.Tensor


class Pose(NamedTuple):
    """Rotation and skew drawn for a slot.

    Attributes:
        latents: Fields of the object's description, as in `Object`.
        features: What the recurrent network sees of them in the next slot, float32 `[batch, features]`.
        draws: Draws of the latents, whose KL terms are part of z_where's.
        loss_inputs: Tensors for the model's own losses, by name, each `[batch, ...]`.
    """

    latents: dict[str, tf.Tensor]
    features: list[tf.Tensor]
    draws: list[Latent]
    loss_inputs: dict[str, tf.Tensor]


class Object(NamedTuple):
    """The object inferred from a glimpse.

    Attributes:
        latents: Fields of its description other than presence and glimpse, by name, each `[batch, ...]`.
        features: Vector by which the LSTM knows this object when it infers the next slot, float32 `[batch, features]`.
        sprite: Picture of the object, float32 `[batch, size, size, channels]`.
        draws: Draws other than z_where whose KL the ELBO contains, by the name of the KL term.
        loss_inputs: Tensors that the model's auxiliary loss needs, by name.
    """

    latents: dict[str, tf.Tensor]
    features: tf.Tensor
    sprite: tf.Tensor
    draws: dict[str, list[Latent]]
    loss_inputs: dict[str, tf.Tensor]


class Slot(NamedTuple):
    """One object of the loop, which may be absent.

    Attributes:
        presence_logits: Log-odds of its presence given that all objects before it are present, float32 `[batch]`.
        relaxed_logits: Its relaxed presence before the sigmoid, given that all objects before it are present, float32
            `[batch]`; None if presence is not relaxed.
        presence_before: Presence of the previous slot, float32 `[batch]`.
        presence: Presence of this slot, at most `presence_before`, float32 `[batch]`.
        where: Draw of z_where, with values `[batch, dimensions]`.
        state: Output of the LSTM, float32 `[batch, units]`.
        object: Object inferred from its glimpse.
        drawing: Picture that it adds to the canvas if present, float32 `[batch, height, width, channels]`.
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
        """KL terms of this object's latents by name, each `[batch]` in nats.

        Args:
            sampled: Whether the terms are log q - log p at the sample, as in `SceneModel.elbo_terms`.
        """
        return kl_terms(self.where, self.object, sampled)


def kl_terms(where: Latent, found: Object, sampled: bool = False) -> dict[str, tf.Tensor]:
    """KL terms of an object's latents by name, each `[batch]` in nats; the arguments are as in `Slot` and `Slot.kl`."""
    draws = {**found.draws, "kl_where": [*found.draws.get("kl_where", []), where]}
    return {
        name: tf.add_n([latent.sampled_kl if sampled else latent.kl for latent in latents])
        for name, latents in draws.items()
    }


class Inference(NamedTuple):
    """The result of inference: all slots, and the canvas that they draw.

    Attributes:
        canvas: Sum of the present objects' drawings, float32 `[batch, height, width, channels]`.
        slots: Slots in the order of inference.
    """

    canvas: tf.Tensor
    slots: list[Slot]


def scale_gradient(values: tf.Tensor, factor: Optional[tf.Tensor]) -> tf.Tensor:
    """Multiplies the gradient of values, which stay the same, by a factor; None for no change."""
    constant = tf.stop_gradient(values)
    return values if factor is None else constant + factor * (values - constant)
