"""A small model that is not part of the package, as a user would write one: a spot of light in each image."""

import dataclasses

import tensorflow as tf
import tensorflow_probability as tfp
from typing_extensions import override

from tf_scenes.descriptions import LOCATIONS, PRESENCE, Field, Role, declare, describe
from tf_scenes.layers import gaussian
from tf_scenes.models.entry import ModelEntry
from tf_scenes.models.lavae.placing import draw_sprites
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.options import Options, option
from tf_scenes.stack import keras
from tf_scenes.training.trainable_model import TrainingLoss, elbo

tfd = tfp.distributions

GLOW = declare(Field("glow", Role.APPEARANCE))
# float32 [batch, 1], by which all light is multiplied.
BRIGHTNESS = declare(Field("brightness", Role.SCENE, by_object=False))
SIDE = 9


@dataclasses.dataclass(frozen=True)
class SpotOptions(Options, section="spot"):
    """Options of the model."""

    glow_dim: int = option(3, "Dimensions of a spot's appearance.", lower=1)


class Spot(SceneModel):
    """One object in each image that shows anything: at the middle of its light, with a Gaussian appearance."""

    def __init__(self, options, scenes, name="spot"):
        super().__init__(scenes, name=name)
        self.options = options
        self.encoder = keras.layers.Dense(2 * options.glow_dim, name="encoder")
        self.decoder = keras.layers.Dense(SIDE**2 * scenes.image_shape[-1], activation="sigmoid", name="decoder")

    def _posterior(self, images):
        pooled = tf.concat([tf.reduce_mean(images, axis=[1, 2]), tf.reduce_max(images, axis=[1, 2])], axis=-1)
        return gaussian.from_softplus(self.encoder(pooled))

    def _place(self, images):
        """Whether anything is lit, and the middle of the light: [batch], [batch, 2]."""
        light = tf.reduce_mean(images, axis=-1)
        rows, columns = (tf.cast(tf.range(size), tf.float32) for size in tf.unstack(tf.shape(light)[1:]))
        total = tf.reduce_sum(light, axis=[1, 2])
        y = tf.reduce_sum(light * rows[:, None], axis=[1, 2]) / tf.maximum(total, 1e-6)
        x = tf.reduce_sum(light * columns, axis=[1, 2]) / tf.maximum(total, 1e-6)
        return tf.cast(total > 0.0, tf.float32), tf.stack([y, x], axis=-1)

    def _describe(self, presence, locations, glow, brightness, slots):
        def padded(values):
            values = values[:, None]
            return tf.pad(values, [[0, 0], [0, slots - 1], *[[0, 0]] * (len(values.shape) - 2)])

        description = describe(padded(presence), {LOCATIONS: padded(locations), GLOW: padded(glow)})
        return {**description, BRIGHTNESS: brightness}

    @override
    def encode(self, images, max_objects=None, seed=None):
        posterior = self._posterior(images)
        glow = posterior.mean() if seed is None else posterior.sample(seed=seed)
        return self._describe(*self._place(images), glow, _brightness(images), max_objects or self.max_inferred_objects)

    @override
    def decode(self, description, height, width):
        shape = tf.shape(description[GLOW])
        sprites = self.decoder(tf.reshape(description[GLOW], [-1, self.options.glow_dim]))
        sprites = tf.reshape(sprites, [-1, SIDE, SIDE, sprites.shape[-1] // SIDE**2])
        sprites *= tf.reshape(description[PRESENCE], [-1, 1, 1, 1])
        centers = tf.reshape(tf.cast(tf.round(description[LOCATIONS]), tf.int32), [-1, 2])
        drawn = draw_sprites(tf.repeat(tf.range(shape[0]), shape[1]), centers, sprites, shape[0], height, width)
        return tf.clip_by_value(drawn * description[BRIGHTNESS][:, :, None, None], 0.0, 1.0)

    @override
    def elbo_terms(self, images, seed, max_objects=None, sampled_kl=False, features=()):
        posterior, prior = self._posterior(images), tfd.Normal(0.0, 1.0)
        glow = posterior.sample(seed=seed)
        description = self._describe(*self._place(images), glow, _brightness(images), 1)
        means = self.decode(description, *tf.unstack(tf.shape(images)[1:3]))
        kl = posterior.log_prob(glow) - prior.log_prob(glow) if sampled_kl else posterior.kl_divergence(prior)
        return {
            "reconstruction": tf.reduce_sum(tfd.Normal(means, 0.3).log_prob(images), axis=[1, 2, 3]),
            "kl_glow": tf.reduce_sum(kl, axis=-1),
        }

    @override
    def training_loss(self, images, step, seed):
        terms = self.elbo_terms(images, seed)
        return TrainingLoss(-elbo(terms), terms, {})

    @override
    def sample_description(self, num_scenes, height, width, seed, max_objects=None, from_prior=False):
        seeds = tfp.random.split_seed(seed, n=3, salt="prior")
        slots = max_objects or self.max_objects
        presence = tf.cast(tf.random.stateless_uniform([num_scenes], seeds[0]) < 0.5, tf.float32)
        locations = tf.random.stateless_uniform([num_scenes, 2], seeds[1]) * (
            tf.cast([height, width], tf.float32) - 1.0
        )
        glow = tf.random.stateless_normal([num_scenes, self.options.glow_dim], seeds[2])
        return self._describe(presence, locations, glow, tf.ones([num_scenes, 1]), slots)

    @override
    def views(self, images, description):
        shape = tf.shape(description[GLOW])
        sprites = self.decoder(tf.reshape(description[GLOW], [-1, self.options.glow_dim]))
        return {"sprites": tf.reshape(sprites, [shape[0], shape[1], SIDE, SIDE, -1])}


def _brightness(images):
    return tf.reduce_max(images, axis=[1, 2])[:, :1]


ENTRY = ModelEntry(
    name="spot",
    options=(SpotOptions,),
    model=f"{__name__}:Spot",
    summary="A spot of light.",
    limits=("There is one spot at most.",),
)
