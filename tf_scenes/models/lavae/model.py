"""LAVAE: a VAE that disentangles the locations of objects from their appearance.

Generative model (equations 1-4): a number of objects n; locations l_1..l_n, drawn without replacement from the pixel
grid; appearances z_1..z_n, and a sprite from each; Bernoulli pixels, whose means are the sum of the sprites convolved
with their one-hot locations. Inference (equations 5-11): location features L and appearance features A of the whole
image; n by counting L's local maxima, l from softmax(L), z from A at l.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from typing_extensions import override

from tf_scenes.descriptions import APPEARANCE, BOXES, LOCATIONS, PRESENCE, describe
from tf_scenes.distributions.counts import CountPrior
from tf_scenes.distributions.locations import LocationsWithoutReplacement, uniform_log_prob_by_object
from tf_scenes.layers.acceptance import gains_more_than_it_costs
from tf_scenes.layers.boxes import boxes_of_sprites
from tf_scenes.models.lavae.auxiliary_vae import AuxiliaryVAE, location_target
from tf_scenes.models.lavae.counting import best_threshold, count_local_maxima, highest_local_maxima
from tf_scenes.models.lavae.likelihood import log_likelihood
from tf_scenes.models.lavae.networks import AppearanceNetwork, LocationNetwork
from tf_scenes.models.lavae.options import LavaeOptions
from tf_scenes.models.lavae.placing import convolve_sprites, hot_pixels, one_hot_maps, paste_sprites
from tf_scenes.models.lavae.schedules import LavaeSchedules
from tf_scenes.models.lavae.sprite_generator import SpriteGenerator
from tf_scenes.models.scene_model import SceneModel, SceneSpec
from tf_scenes.training import optimizers
from tf_scenes.training.options import TrainingOptions
from tf_scenes.training.schedules import values_at
from tf_scenes.training.trainable_model import TrainingLoss

tfd = tfp.distributions

# The variable group of the location network, which has a learning rate of its own.
LOCATION = "location"
# Calibration considers local maxima of the location features above this height.
_LOWEST_MAXIMUM = 0.1
# Number of local maxima of an image that calibration considers beyond N, the maximum number of objects.
_SPARE_SLOTS = 3


class _Posterior(NamedTuple):
    """A sample from q(n, l, z | x), with its KL terms and what it was drawn from.

    Attributes:
        features: Location features L, float32 `[batch, height, width]`.
        logit_scale: Factor from location features to logits, float32 scalar.
        count: Number of objects counted in the features, int32 `[batch]`.
        presence: 1 for the slots in use, the first n, and 0 for the others, float32 `[batch, slots]`.
        locations: Location maps, float32 `[batch, slots, height, width]`.
        appearance: Appearances, float32 `[batch, slots, D]`.
        kl_location: KL of each location, float32 `[batch, slots]`, in nats.
        kl_appearance: KL of each appearance, float32 `[batch, slots]`, in nats.
    """

    features: tf.Tensor
    logit_scale: tf.Tensor
    count: tf.Tensor
    presence: tf.Tensor
    locations: tf.Tensor
    appearance: tf.Tensor
    kl_location: tf.Tensor
    kl_appearance: tf.Tensor


class LAVAE(SceneModel):
    """Location-Appearance Variational AutoEncoder."""

    def __init__(self, options: LavaeOptions, scenes: SceneSpec, name: str = "lavae"):
        """Creates the model.

        Args:
            options: Options of LAVAE.
            scenes: Scenes that the model is for.
            name: Name of the model.
        """
        super().__init__(scenes, name=name)
        self.options = options
        channels = scenes.image_shape[-1]
        self.location_network = LocationNetwork(
            channels=options.location_channels,
            num_blocks=options.inference_blocks,
            strides=options.strides,
            name="location_network",
        )
        self.appearance_network = AppearanceNetwork(
            latent_dim=options.latent_dim,
            channels=options.appearance_channels,
            num_blocks=options.inference_blocks,
            strides=options.strides,
            scale=options.appearance_scale,
            name="appearance_network",
        )
        self.sprite_generator = SpriteGenerator(
            sprite_size=options.generated_size,
            sprite_channels=channels,
            channels=options.generator_channels,
            num_blocks=options.generator_blocks,
            name="generator",
        )
        self.auxiliary_vae = AuxiliaryVAE(
            image_channels=channels,
            channels=options.auxiliary_channels,
            latent_dim=options.auxiliary_latent_dim,
            name="auxiliary_vae",
        )
        self.count_prior = CountPrior(self.max_objects, name="count_prior")
        self._schedules = LavaeSchedules.from_options(options)
        # The paper's threshold applies to the logits and grows with the image size as they do, which is the same as a
        # fixed threshold on the features before scaling. `calibrate` replaces the initial value after training.
        self._count_threshold = self.add_weight(
            name="count_threshold",
            shape=[],
            dtype=tf.float32,
            initializer=tf.keras.initializers.Constant(options.count_threshold),
            trainable=False,
            experimental_autocast=False,
        )

    @override
    def build_training_layers(self, images: tf.Tensor, seed: tf.Tensor) -> None:
        self.auxiliary_vae.build(images.shape)

    @override
    def variable_groups(self) -> dict[str, list[tf.Variable]]:
        """The location network's variables are a group of their own, with their own learning rate."""
        return optimizers.group_apart(self.trainable_variables, LOCATION, self.location_network.trainable_variables)

    @override
    def make_optimizers(self, options: TrainingOptions) -> dict[str, tf.keras.optimizers.Optimizer]:
        """Creates Adamax for both groups, Appendix B."""
        location_rate = tf.keras.optimizers.schedules.ExponentialDecay(
            self.options.location_learning_rate, self.options.location_decay_steps, self.options.location_decay
        )
        rates = {optimizers.DEFAULT: optimizers.falling_rate(options), LOCATION: location_rate}
        clip_norm = optimizers.clip_norm(options)
        return {
            group: optimizers.Adamax(rate, global_clipnorm=clip_norm, name=f"{group}_adamax")
            for group, rate in rates.items()
        }

    # The ELBO.

    @override
    def training_loss(self, images: tf.Tensor, step: tf.Tensor, seed: tf.Tensor) -> TrainingLoss:
        """The negative ELBO, with the auxiliary loss of Appendix B and the presence loss."""
        posterior_seed, forcing_seed, auxiliary_seed = tfp.random.split_seed(seed, n=3, salt="lavae")
        schedules = values_at(self._schedules, step)
        posterior = self._sample_posterior(
            (self.location_network(images, training=True), self.appearance_network(images, training=True)),
            posterior_seed,
            self.max_objects,
            temperature=schedules["temperature"],
            forced_probability=schedules["forced_probability"],
            forcing_seed=forcing_seed,
        )
        sprites = self._sprites(posterior.appearance, training=True)
        present = posterior.locations * posterior.presence[..., None, None]
        with tf.name_scope("placing"):  # Makes this part easy to find in profiles.
            pixel_sums = convolve_sprites(present, sprites)
        terms = self._elbo_terms(images, posterior, pixel_sums)

        auxiliary_loss, auxiliary_scalars = self._auxiliary_loss(
            images, posterior.features, schedules["auxiliary_weight"], auxiliary_seed
        )
        presence_loss = tf.cond(
            schedules["presence_weight"] > 0.0,
            lambda: self._presence_loss(images, posterior, sprites),
            lambda: tf.zeros_like(terms["reconstruction"]),
        )
        loss = (
            -terms["reconstruction"]
            + terms["kl_count"]
            + schedules["kl_weight"] * (terms["kl_location"] + terms["kl_appearance"])
            + auxiliary_loss
            + schedules["presence_weight"] * presence_loss
        )
        scalars = {
            **auxiliary_scalars,
            "presence_loss": tf.reduce_mean(presence_loss),
            "inferred_count": tf.reduce_mean(tf.cast(posterior.count, tf.float32)),
            **schedules,
        }
        return TrainingLoss(loss, terms, scalars)

    @override
    def inference_features(self, images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Location features L, and the features that A is computed from."""
        return self.location_network(images), self.appearance_network(images)

    @override
    def elbo_terms(
        self,
        images: tf.Tensor,
        seed: tf.Tensor,
        max_objects: Optional[int] = None,
        sampled_kl: bool = False,
        features: tuple[tf.Tensor, ...] = (),
    ) -> dict[str, tf.Tensor]:
        """`reconstruction`, `kl_count`, `kl_location` and `kl_appearance`."""
        features = features or self.inference_features(images)
        posterior = self._sample_posterior(features, seed, max_objects or self.max_objects, sampled_kl=sampled_kl)
        centers = hot_pixels(posterior.locations)
        pixel_means = self._draw(centers, posterior.presence, posterior.appearance, *_image_size(images))
        return self._elbo_terms(images, posterior, pixel_means)

    def _elbo_terms(self, images: tf.Tensor, posterior: _Posterior, pixel_sums: tf.Tensor) -> dict[str, tf.Tensor]:
        """The terms of equation 6, split as in Appendix A, each `[batch]` in nats."""
        # q(n | x) has all its mass on the counted n, so KL_n = -log p(n). The learned prior has no mass on more objects
        # than in training, so `for_range` gives a uniform prior for another number of slots.
        slots = posterior.presence.shape[1]
        count = tf.minimum(posterior.count, slots)
        return {
            "reconstruction": log_likelihood(images, pixel_sums),
            "kl_count": -self.count_prior.for_range(slots).log_prob(count),
            "kl_location": tf.reduce_sum(posterior.kl_location * posterior.presence, axis=1),
            "kl_appearance": tf.reduce_sum(posterior.kl_appearance * posterior.presence, axis=1),
        }

    def _sample_posterior(
        self,
        inference_features: tuple[tf.Tensor, ...],
        seed: tf.Tensor,
        slots: int,
        temperature: Optional[tf.Tensor] = None,
        forced_probability: Optional[tf.Tensor] = None,
        forcing_seed: Optional[tf.Tensor] = None,
        sampled_kl: bool = False,
    ) -> _Posterior:
        """Samples q(n, l, z | x), equations 7-11, relaxed where a temperature is given."""
        location_seed, appearance_seed = tfp.random.split_seed(seed, n=2, salt="posterior")
        features, appearance_features = inference_features
        count = tf.minimum(count_local_maxima(features, self.options.count_window, self._count_threshold), slots)
        num_present = count
        if forced_probability is not None:
            forced = tf.random.stateless_uniform(tf.shape(count), forcing_seed) < forced_probability
            num_present = tf.where(forced, slots, count)

        logit_scale = self._logit_scale(features)
        location_posterior = LocationsWithoutReplacement(
            features * logit_scale, slots, temperature=temperature, exclusion_radius=self.options.exclusion_radius
        )
        locations = location_posterior.sample(seed=location_seed)  # [batch, slots, height, width]
        appearance_posterior = self.appearance_network.posterior(appearance_features, locations)
        appearance = appearance_posterior.sample(seed=appearance_seed)
        prior = self._appearance_prior()
        if sampled_kl:
            location_log_prob = location_posterior.log_prob_by_object(locations)
            kl_appearance = appearance_posterior.log_prob(appearance) - prior.log_prob(appearance)
        else:
            # Given the locations before it, a location's KL from the uniform prior is known exactly. So only the
            # sequence is sampled, which has less variance than using the log-probability of the sample.
            location_log_prob = -location_posterior.conditional_entropy(locations)
            kl_appearance = tfd.kl_divergence(appearance_posterior, prior)
        num_pixels = tf.reduce_prod(tf.shape(features)[1:])
        return _Posterior(
            features=features,
            logit_scale=logit_scale,
            count=count,
            presence=tf.sequence_mask(num_present, slots, tf.float32),
            locations=locations,
            appearance=appearance,
            kl_location=location_log_prob - uniform_log_prob_by_object(slots, num_pixels),
            kl_appearance=kl_appearance,
        )

    def _logit_scale(self, features: tf.Tensor) -> tf.Tensor:
        """Factor from location features to logits, proportional to log(HW): Appendix B, "Rescaling location logits"."""
        return self.options.logit_factor * tf.math.log(tf.cast(tf.reduce_prod(tf.shape(features)[1:]), tf.float32))

    def _appearance_posterior(self, images: tf.Tensor, centers: tf.Tensor) -> tfd.Distribution:
        """q(z_i | l_i, x) of objects at whole-pixel locations, int32 `[batch, objects, 2]`, y then x."""
        one_hot = one_hot_maps(centers, *_image_size(images))
        return self.appearance_network.posterior(self.appearance_network(images), one_hot)

    def _appearance_prior(self) -> tfd.Distribution:
        zeros = tf.zeros([self.options.latent_dim])
        return tfd.Independent(tfd.Normal(zeros, tf.ones_like(zeros)), reinterpreted_batch_ndims=1)

    # Losses besides the ELBO, and calibration.

    def _auxiliary_loss(
        self, images: tf.Tensor, features: tf.Tensor, weight: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """The warm-up's loss, `[batch]`, and scalars to report; the auxiliary VAE does not run if the weight is 0."""

        def run() -> tuple[tf.Tensor, tf.Tensor]:
            negative_elbo, kl_map = self.auxiliary_vae(images, seed=seed, training=True)
            target = tf.stop_gradient(location_target(kl_map, *_image_size(images), self.options.target_blur))
            return negative_elbo, tf.reduce_sum(tf.square(features - target), axis=[1, 2])

        def skip() -> tuple[tf.Tensor, tf.Tensor]:
            zeros = tf.zeros([tf.shape(images)[0]])
            return zeros, zeros

        negative_elbo, distance = tf.cond(weight > 0.0, run, skip)
        scalars = {
            "auxiliary_elbo": -tf.reduce_mean(negative_elbo),
            "auxiliary_distance": tf.reduce_mean(distance),
        }
        return negative_elbo + weight * distance, scalars

    def _presence_loss(self, images: tf.Tensor, posterior: _Posterior, sprites: tf.Tensor) -> tf.Tensor:
        """Ties the level of location features, by which objects are counted, to the objects' gain in log-likelihood.

        Not in the paper. The softmax over locations is invariant to a constant added to L, and counting passes no
        gradient, so nothing in the ELBO fixes the level of L, and counts drift once the warm-up is over. But the
        generative model itself can tell whether there is an object at a location (`gains_more_than_it_costs`). Each
        sampled location is put to that test, given all sprites before it in the sequence, and a logistic loss moves the
        features there above or below the threshold accordingly. No labels are used.

        Returns:
            The loss, float32 `[batch]`, in nats.
        """
        centers = hot_pixels(posterior.locations)
        is_object = gains_more_than_it_costs(
            paste_sprites(centers, sprites, *_image_size(images)),
            posterior.kl_location + posterior.kl_appearance,
            lambda canvas: log_likelihood(images, canvas),
            rejected_stay=True,
        )
        level = tf.gather_nd(posterior.features, centers, batch_dims=1) - self._count_threshold
        loss = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(is_object, tf.float32), level * posterior.logit_scale)
        return tf.reduce_sum(loss, axis=1)

    @override
    def calibrate(self, images: Iterable[tf.Tensor]) -> None:
        """Sets the threshold for counting objects, from images alone.

        Not in the paper. Training leaves a gap between the features' maxima at objects and all other maxima, but the
        initial threshold is not always in that gap. A maximum counts as an object if drawing it gains more than it
        costs, on a canvas with the higher maxima that passed this test. (In the presence loss the canvas also has the
        sprites that failed, since the ELBO draws every sprite of a sampled sequence.) The threshold is set where it
        agrees with this test most often.
        """
        heights, is_object = zip(*(self._weigh_maxima(batch) for batch in images))
        heights, is_object = np.concatenate(heights), np.concatenate(is_object)
        if is_object.any():
            self._count_threshold.assign(best_threshold(heights, is_object))

    @tf.function(reduce_retracing=True, autograph=False)
    def _weigh_maxima(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Heights of the images' local maxima, and whether each is an object given the higher ones: `[maxima]` each."""
        slots = self.max_objects + _SPARE_SLOTS
        features = self.location_network(images)
        centers, present = highest_local_maxima(features, self.options.count_window, _LOWEST_MAXIMUM, slots)
        posterior = self._appearance_posterior(images, centers)
        kl_appearance = tfd.kl_divergence(posterior, self._appearance_prior())
        num_pixels = tf.reduce_prod(tf.shape(features)[1:])
        cost = kl_appearance - uniform_log_prob_by_object(slots, num_pixels)  # [batch, slots]
        sprites = self._sprites(posterior.mean(), training=False)
        is_object = gains_more_than_it_costs(
            paste_sprites(centers, sprites, *_image_size(images)),
            cost,
            lambda canvas: log_likelihood(images, canvas),
            candidates=present,
        )
        heights = tf.gather_nd(features, centers, batch_dims=1)
        return tf.boolean_mask(heights, present), tf.boolean_mask(is_object, present)

    # Scene descriptions.

    @override
    def encode(
        self, images: tf.Tensor, max_objects: Optional[int] = None, seed: Optional[tf.Tensor] = None
    ) -> dict[str, tf.Tensor]:
        """Besides the fields of all models, descriptions have `appearance`, float32 `[batch, max_objects, D]`.

        Without a seed, locations are the counted maxima, highest first; samples could contain the same object twice.
        """
        max_objects = max_objects or self.max_inferred_objects
        if seed is not None:
            sample = self._sample_posterior(self.inference_features(images), seed, max_objects)
            return _describe(sample.presence, hot_pixels(sample.locations), sample.appearance)
        features = self.location_network(images)
        centers, present = highest_local_maxima(features, self.options.count_window, self._count_threshold, max_objects)
        posterior = self._appearance_posterior(images, centers)
        return _describe(tf.cast(present, tf.float32), centers, posterior.mean())

    @override
    def geometry(
        self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Boxes around the visible part of each sprite."""
        presence = description[PRESENCE]
        present, sprites = self._present_sprites(presence, description[APPEARANCE])
        centers = tf.cast(tf.round(tf.gather_nd(description[LOCATIONS], present)), tf.int32)
        shape = tf.concat([tf.shape(presence), [4]], axis=0)
        boxes = tf.scatter_nd(tf.cast(present, tf.int32), boxes_of_sprites(centers, sprites, height, width), shape)
        return {BOXES: boxes}

    @override
    def decode(self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """Draws scene descriptions, with locations rounded to whole pixels."""
        centers = tf.cast(tf.round(description[LOCATIONS]), tf.int32)
        pixel_sums = self._draw(centers, description[PRESENCE], description[APPEARANCE], height, width)
        return tf.clip_by_value(pixel_sums, 0.0, 1.0)

    @override
    def sample_description(
        self, num_scenes: int, height: int, width: int, seed: tf.Tensor, max_objects: Optional[int] = None
    ) -> dict[str, tf.Tensor]:
        count_seed, location_seed, appearance_seed = tfp.random.split_seed(seed, n=3, salt="prior")
        slots = self.max_objects if max_objects is None else max_objects
        count = self.count_prior.for_range(max_objects).sample(num_scenes, seed=count_seed)
        presence = tf.sequence_mask(count, slots, tf.float32)
        uniform = LocationsWithoutReplacement(tf.zeros([num_scenes, height, width]), slots)
        appearance = self._appearance_prior().sample([num_scenes, slots], seed=appearance_seed)
        return _describe(presence, hot_pixels(uniform.sample(seed=location_seed)), appearance)

    @override
    def views(self, images: tf.Tensor, description: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Sprites, and the location features as `features`."""
        return {
            "sprites": self._sprites(description[APPEARANCE], training=False),
            "features": self.location_network(images),
        }

    def _sprites(self, appearance: tf.Tensor, training: bool) -> tf.Tensor:
        shape = tf.shape(appearance)
        sprites = self.sprite_generator(tf.reshape(appearance, [-1, self.options.latent_dim]), training=training)
        return tf.reshape(sprites, tf.concat([shape[:2], tf.shape(sprites)[1:]], axis=0))

    def _draw(
        self, centers: tf.Tensor, presence: tf.Tensor, appearance: tf.Tensor, height: tf.Tensor, width: tf.Tensor
    ) -> tf.Tensor:
        """Sum of the present objects' sprites, placed at whole pixels: `[batch, height, width, channels]`."""
        present, sprites = self._present_sprites(presence, appearance)
        layers = paste_sprites(tf.gather_nd(centers, present)[:, None], sprites[:, None], height, width)[:, 0]
        return tf.math.unsorted_segment_sum(layers, present[:, 0], tf.shape(presence)[0])

    def _present_sprites(self, presence: tf.Tensor, appearance: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Scene and slot of each present object, int64 `[sprites, 2]`, and its sprite.

        Sprites of absent objects are not generated; one extra sprite is, since oneDNN's convolutions fail on an empty
        batch.
        """
        present = tf.where(presence > 0.5)
        appearance = tf.pad(tf.gather_nd(appearance, present), [[0, 1], [0, 0]])
        return present, self.sprite_generator(appearance)[:-1]


def _describe(presence: tf.Tensor, centers: tf.Tensor, appearance: tf.Tensor) -> dict[str, tf.Tensor]:
    return describe(presence, {LOCATIONS: tf.cast(centers, tf.float32), APPEARANCE: appearance})


def _image_size(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    shape = tf.shape(images)
    return shape[1], shape[2]
