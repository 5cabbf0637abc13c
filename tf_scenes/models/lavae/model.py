"""LAVAE: a VAE that disentangles the locations of objects from their appearance.

Generative model (equations 1-4): a number of objects n; locations l_1..l_n, drawn without replacement from the pixel
grid; appearances z_1..z_n, and a sprite from each; Bernoulli pixels, whose means are the sum of the sprites convolved
with their one-hot locations. Inference (equations 5-11): location features L and appearance features A of the whole
image; n by counting L's local maxima, l from softmax(L), z from A at l.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional, Union

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from typing_extensions import override

from tf_scenes.descriptions import (
    APPEARANCE,
    BACKGROUND,
    BOXES,
    LEVELS,
    LOCATIONS,
    PRESENCE,
    SCALE,
    as_arrays,
    describe,
    is_present,
)
from tf_scenes.distributions.counts import CountPrior
from tf_scenes.distributions.locations import LocationsWithoutReplacement, uniform_log_prob_by_object
from tf_scenes.layers import gaussian
from tf_scenes.layers import levels as picture_levels
from tf_scenes.layers.boxes import boxes_of_sprites
from tf_scenes.models.lavae.appearance_mixture import AppearanceMixture
from tf_scenes.models.lavae.auxiliary_vae import AuxiliaryVAE, location_target
from tf_scenes.models.lavae.background import Background
from tf_scenes.models.lavae.convex_sprites import ConvexSprites
from tf_scenes.models.lavae.counting import best_threshold, count_local_maxima, highest_local_maxima
from tf_scenes.models.lavae.finding import ObjectFinder
from tf_scenes.models.lavae.likelihood import make_pixels
from tf_scenes.models.lavae.masks import label_images, mean_areas
from tf_scenes.models.lavae.networks import AppearanceNetwork, LocationNetwork, PatchAppearanceNetwork
from tf_scenes.models.lavae.options import LavaeOptions
from tf_scenes.models.lavae.placing import convolve_sprites, draw_sprites, hot_pixels, squared_offsets
from tf_scenes.models.lavae.pruning import worth_their_cost
from tf_scenes.models.lavae.scaling import at_scales, resample_sprites, scales_for
from tf_scenes.models.lavae.schedules import LavaeSchedules
from tf_scenes.models.lavae.slots import among_all, compute_in_use
from tf_scenes.models.lavae.sprite_generator import SpriteGenerator
from tf_scenes.models.scene_model import SceneModel, SceneSpec, Side
from tf_scenes.stack import keras
from tf_scenes.training import optimizers
from tf_scenes.training.options import TrainingOptions
from tf_scenes.training.schedules import values_at
from tf_scenes.training.trainable_model import Batch, TrainingLoss

tfd = tfp.distributions

# The variable group of the location network, which has a learning rate of its own.
LOCATION = "location"
_BACKGROUND_CHANNELS = 16
# Calibration considers local maxima of the location features above this height.
_LOWEST_MAXIMUM = 0.1
# Where all maxima are put to the test, those above this part of the lowest object's height are.
_SPARED = 0.5
# Number of local maxima of an image that calibration considers beyond N, the maximum number of objects.
_SPARE_SLOTS = 3
# The outline level holds where objects fill this part of a sprite.
_LEVEL_PART = 1.0 / 6.0


class _Posterior(NamedTuple):
    """A sample from q(n, l, z | x), with its KL terms and what it was drawn from.

    Attributes:
        features: Location features L, float32 `[batch, height, width]`.
        logit_scale: Factor from location features to logits, float32 scalar.
        count: Number of objects counted in the features, int32 `[batch]`.
        presence: 1 for the slots in use, the first n, and 0 for the others, float32 `[batch, slots]`.
        in_use: Scene and number of each slot in use, int64 `[n, 2]`; of all slots if none is.
        locations: Location maps, float32 `[batch, slots, height, width]`.
        appearance: Appearances, float32 `[batch, slots, D]`.
        kl_location: KL of each location, float32 `[batch, slots]`, in nats.
        kl_appearance: KL of each appearance, float32 `[batch, slots]`, in nats.
    """

    features: tf.Tensor
    logit_scale: tf.Tensor
    count: tf.Tensor
    presence: tf.Tensor
    in_use: tf.Tensor
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
        self._channels = channels = scenes.image_shape[-1]
        self.location_network = LocationNetwork(
            channels=options.location_channels,
            num_blocks=options.inference_blocks,
            strides=options.strides,
            interpolated=options.location_features == "interpolated",
            name="location_network",
        )
        self.appearance_network = _make_appearance_network(options)
        self.sprite_generator = _make_generator(options, channels)
        self.auxiliary_vae = AuxiliaryVAE(
            image_channels=channels,
            channels=options.auxiliary_channels,
            latent_dim=options.auxiliary_latent_dim,
            name="auxiliary_vae",
        )
        self.pixels = make_pixels(options)
        self.background = None
        if options.background != "none":
            spacing = options.background_spacing if options.background == "smooth" else None
            self.background = Background(channels, _BACKGROUND_CHANNELS, spacing, options.background_stddev)
        self.count_prior = CountPrior(self.max_objects, name="count_prior")
        self.appearance_mixture = None
        if options.appearance_mixture:
            self.appearance_mixture = AppearanceMixture(
                options.appearance_mixture, options.latent_dim, name="appearance_mixture"
            )
        self._schedules = LavaeSchedules.from_options(options)
        # The paper's threshold applies to the logits and grows with the image size as they do, which is the same as a
        # fixed threshold on the features before scaling. `calibrate` replaces the initial value after training.
        self._count_threshold = self.add_weight(
            name="count_threshold",
            shape=[],
            dtype=tf.float32,
            initializer=keras.initializers.Constant(options.count_threshold),
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
    def make_optimizers(self, options: TrainingOptions) -> dict[str, keras.optimizers.Optimizer]:
        """Creates Adamax for both groups, Appendix B."""
        location_rate = keras.optimizers.schedules.ExponentialDecay(
            self.options.location_learning_rate, self.options.location_decay_steps, self.options.location_decay
        )
        rates = {optimizers.DEFAULT: optimizers.falling_rate(options), LOCATION: location_rate}
        clip_norm = optimizers.clip_norm(options)
        return {
            group: optimizers.Adamax(rate, global_clipnorm=clip_norm, name=f"{group}_adamax")
            for group, rate in rates.items()
        }

    # Normalisation.

    @override
    def prepare(self, batch: Batch) -> tf.Tensor:
        """The pictures or, with `normalize`, their background moved to 0 and their brightest or darkest objects to 1.

        A power below 1 then makes dim and bright objects more alike.
        """
        if not self.options.normalize:
            return batch["images"]
        levels = batch["levels"] if "levels" in batch else picture_levels.measure_levels(batch["images"])
        return picture_levels.normalize(batch["images"], levels, self.options.gamma)

    # The ELBO.

    @override
    def training_loss(self, images: tf.Tensor, step: tf.Tensor, seed: tf.Tensor) -> TrainingLoss:
        """The negative ELBO, with the auxiliary loss of Appendix B and the presence loss."""
        posterior_seed, forcing_seed, auxiliary_seed = tfp.random.split_seed(seed, n=3, salt="lavae")
        schedules = values_at(self._schedules, step)
        features = self.location_network(images, training=True)
        appearance_features = self.appearance_network(images, training=True)
        posterior = self._sample_posterior(
            (features, appearance_features, self._count(features)),
            posterior_seed,
            self.max_objects,
            temperature=schedules["temperature"],
            forced_probability=schedules["forced_probability"],
            forcing_seed=forcing_seed,
            training=True,
        )
        scenes, num_scenes = tf.cast(posterior.in_use[:, 0], tf.int32), tf.shape(images)[0]
        presence, locations, appearance = (
            tf.gather_nd(values, posterior.in_use)
            for values in (posterior.presence, posterior.locations, posterior.appearance)
        )
        sprites = self.sprite_generator(appearance, training=True)
        with tf.name_scope("placing"):  # Makes this part easy to find in profiles.
            pixel_sums = convolve_sprites(scenes, locations * presence[:, None, None], sprites, num_scenes)
        empty, kl_background = self._sample_background(images, seed)
        terms = {**self._elbo_terms(images, posterior, empty + pixel_sums), **kl_background}

        auxiliary_loss, auxiliary_scalars = self._auxiliary_loss(
            images, posterior.features, schedules["auxiliary_weight"], auxiliary_seed
        )
        presence_loss = tf.cond(
            schedules["presence_weight"] > 0.0,
            lambda: self._presence_loss(images, posterior, appearance_features, sprites, empty),
            lambda: tf.zeros_like(terms["reconstruction"]),
        )
        squared = squared_offsets(sprites, self.options.centering_power, self.options.centering_slack)
        off_center = tf.math.unsorted_segment_sum(squared * presence, scenes, num_scenes)
        loss = (
            -terms["reconstruction"]
            + terms["kl_count"]
            + schedules["kl_weight"] * (terms["kl_location"] + terms["kl_appearance"])
            + auxiliary_loss
            + schedules["presence_weight"] * presence_loss
            + self.options.centering_weight * off_center
            + sum(kl_background.values())
        )
        scalars = {
            **auxiliary_scalars,
            "presence_loss": tf.reduce_mean(presence_loss),
            "sprites_off_center": tf.reduce_mean(off_center),
            **self.pixels.scalars(),
            "inferred_count": tf.reduce_mean(tf.cast(posterior.count, tf.float32)),
            **schedules,
        }
        return TrainingLoss(loss, terms, scalars)

    def _sample_background(
        self, images: tf.Tensor, seed: tf.Tensor, sampled_kl: bool = False
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Canvases without objects, `[batch, height, width, channels]`, and, with a background, `kl_background`."""
        if self.background is None:
            return tf.zeros_like(images), {}
        posterior, prior = self.background(images), tfd.Normal(0.0, 1.0)
        latents = posterior.sample(seed=tfp.random.split_seed(seed, n=1, salt="background")[0])
        kl = posterior.log_prob(latents) - prior.log_prob(latents) if sampled_kl else posterior.kl_divergence(prior)
        empty = self.background.draw(latents, *_image_size(images))
        return empty, {"kl_background": tf.reduce_sum(kl, axis=[1, 2, 3])}

    def _likely_background(self, images: tf.Tensor) -> tf.Tensor:
        if self.background is None:
            return tf.zeros_like(images)
        return self.background.draw(self.background(images).mean(), *_image_size(images))

    @property
    def finder(self) -> ObjectFinder:
        """Finds the most likely objects with the model's networks."""
        networks = self.location_network, self.appearance_network, self.sprite_generator
        return ObjectFinder(self.options, *networks, self.pixels, self._count_threshold)

    @override
    def inference_features(self, images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Location features L, the features that A is computed from, and the number of objects, int32 `[batch]`."""
        features, appearance_features = self.location_network(images), self.appearance_network(images)
        if not self.options.prunes:
            return features, appearance_features, self._count(features)
        empty = self._likely_background(images)
        objects, _ = self.finder.maxima(images, empty, features, appearance_features, self.max_inferred_objects)
        return features, appearance_features, tf.reduce_sum(tf.cast(objects.present, tf.int32), axis=1)

    def _count(self, features: tf.Tensor) -> tf.Tensor:
        return count_local_maxima(features, self.options.count_window, self._count_threshold)

    @override
    def elbo_terms(
        self,
        images: tf.Tensor,
        seed: tf.Tensor,
        max_objects: Optional[int] = None,
        sampled_kl: bool = False,
        features: tuple[tf.Tensor, ...] = (),
    ) -> dict[str, tf.Tensor]:
        """`reconstruction`, `kl_count`, `kl_location`, `kl_appearance` and, with a background, `kl_background`."""
        features = features or self.inference_features(images)
        posterior = self._sample_posterior(features, seed, max_objects or self.max_objects, sampled_kl=sampled_kl)
        centers = tf.cast(hot_pixels(posterior.locations), tf.float32)
        sample = _describe(posterior.presence, centers, posterior.appearance)
        pixel_means = self._draw(sample, *_image_size(images))
        empty, kl_background = self._sample_background(images, seed, sampled_kl)
        return {**self._elbo_terms(images, posterior, empty + pixel_means), **kl_background}

    def _elbo_terms(self, images: tf.Tensor, posterior: _Posterior, pixel_sums: tf.Tensor) -> dict[str, tf.Tensor]:
        """The terms of equation 6, split as in Appendix A, each `[batch]` in nats."""
        # q(n | x) has all its mass on the counted n, so KL_n = -log p(n). The learned prior has no mass on more objects
        # than in training, so `for_range` gives a uniform prior for another number of slots.
        slots = posterior.presence.shape[1]
        count = tf.minimum(posterior.count, slots)
        return {
            "reconstruction": self.pixels.log_prob(images, pixel_sums),
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
        training: bool = False,
    ) -> _Posterior:
        """Samples q(n, l, z | x), equations 7-11, relaxed where a temperature is given."""
        location_seed, appearance_seed = tfp.random.split_seed(seed, n=2, salt="posterior")
        features, appearance_features, count = inference_features
        num_present = count = tf.minimum(count, slots)
        if forced_probability is not None:
            forced = tf.random.stateless_uniform(tf.shape(count), forcing_seed) < forced_probability
            num_present = tf.where(forced, self.options.forced_objects or slots, count)

        logit_scale = self._logit_scale(features)
        location_posterior = LocationsWithoutReplacement(
            features * logit_scale, slots, temperature=temperature, exclusion_radius=self.options.exclusion_radius
        )
        locations = location_posterior.sample(seed=location_seed)  # [batch, slots, height, width]
        presence = tf.sequence_mask(num_present, slots, tf.float32)
        # Layers have no statistics of an empty batch.
        in_use = tf.where((presence > 0.5) | tf.reduce_all(presence < 0.5))
        if temperature is None:  # At whole pixels there is less to compute.
            appearance_posterior = self.appearance_network.posterior_at(
                appearance_features, hot_pixels(locations), presence > 0.5
            )
        else:
            appearance_posterior = self.appearance_network.posterior(
                appearance_features, locations, in_use, training=training
            )
        appearance = appearance_posterior.sample(seed=appearance_seed)
        prior = gaussian.standard(self.options.latent_dim)
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
            presence=presence,
            in_use=in_use,
            locations=locations,
            appearance=appearance,
            kl_location=location_log_prob - uniform_log_prob_by_object(slots, num_pixels),
            kl_appearance=kl_appearance,
        )

    def _logit_scale(self, features: tf.Tensor) -> tf.Tensor:
        """Factor from location features to logits, proportional to log(HW): Appendix B, "Rescaling location logits"."""
        return self.options.logit_factor * tf.math.log(tf.cast(tf.reduce_prod(tf.shape(features)[1:]), tf.float32))

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

    def _presence_loss(
        self,
        images: tf.Tensor,
        posterior: _Posterior,
        appearance_features: tf.Tensor,
        sprites: tf.Tensor,
        empty: tf.Tensor,
    ) -> tf.Tensor:
        """Ties the level of location features, by which objects are counted, to the objects' gain in log-likelihood.

        Not in the paper. The softmax over locations is invariant to a constant added to L, and counting passes no
        gradient, so nothing in the ELBO fixes the level of L, and counts drift once the warm-up is over. But the
        generative model itself can tell whether there is an object at a location (`worth_their_cost`). Each
        sampled location in use, and the first one that is not, is put to that test, given all sprites before it in the
        sequence, and a logistic loss moves the features there above or below the threshold accordingly. No labels are
        used.

        Returns:
            The loss, float32 `[batch]`, in nats.
        """
        centers = hot_pixels(posterior.locations)
        present = posterior.presence > 0.5
        tested = tf.sequence_mask(tf.reduce_sum(tf.cast(present, tf.int32), axis=1) + 1, tf.shape(present)[1])
        first_unused = tested & ~present
        unused = self.appearance_network.posterior_at(appearance_features, centers, first_unused)
        kl_appearance = tf.where(
            present, posterior.kl_appearance, tfd.kl_divergence(unused, gaussian.standard(self.options.latent_dim))
        )
        every_sprite = tf.tensor_scatter_nd_update(
            among_all(posterior.in_use, sprites, tf.shape(present)),
            *compute_in_use(self.sprite_generator, first_unused, unused.mean()),
        )
        is_object = worth_their_cost(
            images,
            empty,
            centers,
            tested,
            every_sprite,
            posterior.kl_location + kl_appearance,
            self.pixels.log_prob,
            rejected_stay=True,
        )
        level = tf.gather_nd(posterior.features, centers, batch_dims=1) - self._count_threshold
        loss = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(is_object, tf.float32), level * posterior.logit_scale)
        return tf.reduce_sum(loss * tf.cast(tested, tf.float32), axis=1)

    @override
    def calibrate(self, images: Iterable[tf.Tensor]) -> None:
        """Sets the threshold for counting objects, from images alone, and fits the mixture of appearances.

        Not in the paper. Training leaves a gap between the features' maxima at objects and all other maxima, but the
        initial threshold is not always in that gap. A maximum counts as an object if drawing it gains more than it
        costs, on a canvas with the higher maxima that passed this test. (In the presence loss the canvas also has the
        sprites that failed, since the ELBO draws every sprite of a sampled sequence.) The threshold is set where it
        agrees with this test most often or, if `prunes` puts every maximum to the test anyway, below all objects.
        """
        parts = [as_arrays(self._weigh_maxima(batch)) for batch in images]
        maxima = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        is_object = maxima["is_object"]
        if not is_object.any():
            return
        heights = maxima["height"]
        below_all = _SPARED * heights[is_object].min()
        self._count_threshold.assign(below_all if self.options.prunes else best_threshold(heights, is_object))
        if self.appearance_mixture is not None:
            self.appearance_mixture.fit(maxima["mean"][is_object], maxima["stddev"][is_object], self._seed)

    @tf.function(reduce_retracing=True, autograph=False)
    def _weigh_maxima(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """The images' local maxima: `height`, and whether each `is_object` given the higher ones, `[maxima]`.

        Also `mean` and `stddev` of the appearance's posterior there, `[maxima, D]`.
        """
        slots = self.max_objects + _SPARE_SLOTS
        features = self.location_network(images)
        centers, present = highest_local_maxima(features, self.options.count_window, _LOWEST_MAXIMUM, slots)
        posterior = self.appearance_network.posterior_at(self.appearance_network(images), centers, present)
        sprites, empty = self.finder.sprites(present, posterior.mean()), self._likely_background(images)
        is_object = self.finder.worth_drawing(images, empty, centers, present, posterior, sprites)
        heights = tf.gather_nd(features, centers, batch_dims=1)
        maxima = {"height": heights, "is_object": is_object, "mean": posterior.mean(), "stddev": posterior.stddev()}
        return {name: tf.boolean_mask(values, present) for name, values in maxima.items()}

    # Scene descriptions.

    @override
    def encode(
        self, images: tf.Tensor, max_objects: Optional[int] = None, seed: Optional[tf.Tensor] = None
    ) -> dict[str, tf.Tensor]:
        """Besides the fields of all models, descriptions have `appearance`, float32 `[batch, max_objects, D]`.

        Without a seed, locations are the counted maxima, highest first; samples could contain the same object twice.
        With `typical_share`, objects that are not sampled are inferred in the image at another scale: `scale`.
        """
        max_objects = max_objects or self.max_inferred_objects
        scene = {LEVELS: picture_levels.measure_levels(images)} if self.options.normalize else {}
        images = self.prepare({"images": images, **scene})
        if self.background is not None:
            background = self.background(images)
            scene[BACKGROUND] = background.mean() if seed is None else background.sample(seed=seed)
        if seed is not None:
            if self.options.typical_share:
                scene[SCALE] = tf.ones([tf.shape(images)[0]])
            return {**self._sampled_objects(images, max_objects, seed), **scene}
        contrast = images - self._drawn_background(scene, *_image_size(images))
        centers, present, appearance = self.finder.find(images, contrast, max_objects)
        locations = tf.cast(centers, tf.float32)
        if self.options.typical_share:
            slots, sprites = compute_in_use(self.sprite_generator, present, appearance)
            areas = mean_areas(contrast, tf.cast(slots[:, 0], tf.int32), tf.gather_nd(centers, slots), sprites)
            scene[SCALE] = scales_for(areas, self.options.typical_share * self.options.generated_size**2)
            locations, present, appearance = at_scales(
                lambda *scaled: self.finder.find(*scaled, max_objects), images, contrast, scene[SCALE]
            )
        return {**_describe(tf.cast(present, tf.float32), locations, appearance), **scene}

    def _sampled_objects(self, images: tf.Tensor, max_objects: int, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        location_seed, appearance_seed = tfp.random.split_seed(seed, n=2, salt="posterior")
        features, appearance_features, count = self.inference_features(images)
        count = tf.minimum(count, max_objects)
        locations = LocationsWithoutReplacement(
            features * self._logit_scale(features), max_objects, exclusion_radius=self.options.exclusion_radius
        )
        centers = locations.sample_pixels(count, location_seed)
        presence = tf.sequence_mask(count, max_objects)
        posterior = self.appearance_network.posterior_at(appearance_features, centers, presence)
        appearance = posterior.sample(seed=appearance_seed)
        return _describe(tf.cast(presence, tf.float32), tf.cast(centers, tf.float32), appearance)

    @override
    def masks(self, images: tf.Tensor, description: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """A pixel belongs to the sprite that shows the largest share of its peak there, see `masks.label_images`."""
        levels = {name: description[name] for name in (LEVELS,) if name in description}
        images = self.prepare({"images": images, **levels})
        slots, centers, sprites = self._placed_sprites(description)
        return label_images(
            images - self._drawn_background(description, *_image_size(images)),
            scenes=tf.cast(slots[:, 0], tf.int32),
            labels=tf.cast(slots[:, 1], tf.int32) + 1,
            centers=centers,
            sprites=sprites,
            outline_level=self.options.outline_level,
            outline_slope=self.options.outline_slope,
            level_area=_LEVEL_PART * self.options.generated_size**2,
        )

    def _drawn_background(
        self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor
    ) -> Union[tf.Tensor, float]:
        return 0.0 if self.background is None else self.background.draw(description[BACKGROUND], height, width)

    @override
    def geometry(
        self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Boxes around the visible part of each sprite."""
        slots, centers, sprites = self._placed_sprites(description)
        boxes = boxes_of_sprites(centers, sprites, height, width)
        return {BOXES: among_all(slots, boxes, tf.shape(description[PRESENCE]))}

    @override
    def decode(self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """Draws scene descriptions, with locations rounded to whole pixels unless they have a `scale`."""
        sprites = self._draw(description, height, width)
        means = self.pixels.mean(self._drawn_background(description, height, width) + sprites)
        if self.options.normalize:
            means = picture_levels.restore(means, description[LEVELS], self.options.gamma)
        return tf.clip_by_value(means, 0.0, 1.0)

    @override
    def why_not_a_density(self, binary_images: bool) -> Optional[str]:
        if self.options.normalize:
            return "--lavae.normalize scales each picture by its own pixels"
        if self.options.likelihood == "bernoulli" and not binary_images:
            return "--lavae.likelihood=bernoulli is a density of binary images only, gaussian is one of all"
        return None

    @property
    @override
    def fits_appearances(self) -> bool:
        return self.appearance_mixture is not None

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
        count_seed, location_seed, appearance_seed = tfp.random.split_seed(seed, n=3, salt="prior")
        slots = self.max_objects if max_objects is None else max_objects
        count = self.count_prior.for_samples(max_objects).sample(num_scenes, seed=count_seed)
        presence = tf.sequence_mask(count, slots, tf.float32)
        uniform = LocationsWithoutReplacement(tf.zeros([num_scenes, height, width]), slots)
        mixture = None if from_prior else self.appearance_mixture
        appearances = gaussian.standard(self.options.latent_dim) if mixture is None else mixture.distribution()
        appearance = appearances.sample([num_scenes, slots], seed=appearance_seed)
        scene = self._sample_scene(num_scenes, height, width, seed)
        locations = tf.cast(hot_pixels(uniform.sample(seed=location_seed)), tf.float32)
        return {**_describe(presence, locations, appearance), **scene}

    def _sample_scene(self, num_scenes: int, height: Side, width: Side, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """The fields of whole scenes: a background from its prior, and levels from black to white, which have none."""
        scene = {}
        if self.background is not None:
            shape = [num_scenes, *tf.unstack(self.background.grid(height, width)), self._channels]
            background_seed = tfp.random.split_seed(seed, n=1, salt="background")[0]
            scene[BACKGROUND] = tf.random.stateless_normal(shape, background_seed)
        if self.options.normalize:
            scene[LEVELS] = tf.tile([[0.0, 1.0]], [num_scenes, 1])
        if self.options.typical_share:
            scene[SCALE] = tf.ones([num_scenes])
        return scene

    @override
    def views(self, images: tf.Tensor, description: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Sprites, and the location features as `features`."""
        return {
            "sprites": self._sprites(description[APPEARANCE]),
            "features": self.location_network(self.prepare({"images": images})),
        }

    def _sprites(self, appearance: tf.Tensor) -> tf.Tensor:
        """The sprites of all slots, `[batch, slots, h, w, channels]`."""
        shape = tf.shape(appearance)
        sprites = self.sprite_generator(tf.reshape(appearance, [-1, self.options.latent_dim]))
        return tf.reshape(sprites, tf.concat([shape[:2], tf.shape(sprites)[1:]], axis=0))

    def _draw(self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """Sum of the present objects' sprites on each canvas: `[batch, height, width, channels]`."""
        slots, centers, sprites = self._placed_sprites(description)
        num_scenes = tf.shape(description[PRESENCE])[0]
        return draw_sprites(tf.cast(slots[:, 0], tf.int32), centers, sprites, num_scenes, height, width)

    def _placed_sprites(self, description: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The sprites of present objects as they are drawn on a canvas.

        Returns:
            Scene and slot of each, int64 `[sprites, 2]`; the pixel that its middle is at, int32 `[sprites, 2]`; the
            sprites, float32 `[sprites, h, w, channels]`.
        """
        slots, sprites = compute_in_use(self.sprite_generator, is_present(description), description[APPEARANCE])
        locations = tf.gather_nd(description[LOCATIONS], slots)
        centers = tf.cast(tf.round(locations), tf.int32)
        if SCALE in description:
            offsets = locations - tf.cast(centers, tf.float32)
            sprites = resample_sprites(sprites, tf.gather(description[SCALE], slots[:, 0]), offsets)
        return slots, centers, sprites


def _make_appearance_network(options: LavaeOptions) -> Union[AppearanceNetwork, PatchAppearanceNetwork]:
    arguments = {
        "latent_dim": options.latent_dim,
        "channels": options.appearance_channels,
        "num_blocks": options.inference_blocks,
        "strides": options.strides,
        "scale": options.appearance_scale,
        "name": "appearance_network",
    }
    if options.patch_size:
        return PatchAppearanceNetwork(side=options.patch_size, **arguments)
    return AppearanceNetwork(**arguments)


def _make_generator(options: LavaeOptions, channels: int) -> keras.layers.Layer:
    if options.sprites == "convex":
        return ConvexSprites(options.generated_size, channels, name="generator")
    return SpriteGenerator(
        sprite_size=options.generated_size,
        sprite_channels=channels,
        channels=options.generator_channels,
        num_blocks=options.generator_blocks,
        name="generator",
    )


def _describe(presence: tf.Tensor, locations: tf.Tensor, appearance: tf.Tensor) -> dict[str, tf.Tensor]:
    return describe(presence, {LOCATIONS: locations, APPEARANCE: appearance})


def _image_size(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    shape = tf.shape(images)
    return shape[1], shape[2]
