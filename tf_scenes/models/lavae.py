"""LAVAE: a VAE that disentangles where objects are from what they look like.

Generative model (equations 1-4): a number of objects n, locations l_1..l_n without replacement on the pixel grid,
appearances z_1..z_n, a sprite from each appearance, the sum of the sprites convolved with their one-hot locations as
the means of Bernoulli pixels. Inference (equations 5-11): location features L and appearance features A of the whole
image; n by counting L's local maxima, l from softmax(L), z from A at l.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tf_scenes.distributions.counts import CountPrior
from tf_scenes.distributions.locations import LocationsWithoutReplacement, uniform_log_prob_by_object
from tf_scenes.layers.auxiliary_vae import AuxiliaryVAE, location_target
from tf_scenes.layers.boxes import boxes_of_sprites
from tf_scenes.layers.inference import AppearanceNetwork, LocationNetwork
from tf_scenes.layers.local_maxima import best_threshold, count_local_maxima, highest_local_maxima
from tf_scenes.layers.placing import convolve_sprites, paste_sprites
from tf_scenes.layers.sprite_generator import SpriteGenerator
from tf_scenes.models.scene_model import SceneModel, TrainingLoss
from tf_scenes.schedules import Schedule, values_at

tfd = tfp.distributions

# Sums of sprites are kept this far from 0 and 1, where a Bernoulli pixel would have an infinite log-likelihood.
_PIXEL_MARGIN = 1e-4
# Calibration looks at maxima of the location features down to this height, and at so many more than N of an image.
_LOWEST_MAXIMUM = 0.1
_SPARE_SLOTS = 3


@dataclasses.dataclass(frozen=True)
class LavaeSchedules:
    """What changes over the optimisation steps: Appendix B.

    Attributes:
        temperature: of the Gumbel-softmax relaxation.
        forced_probability: of forcing n = N.
        auxiliary_weight: of the squared distance between location features and the auxiliary VAE's KL map.
        kl_weight: of the location and appearance KL.
        presence_weight: of the presence loss.
    """

    temperature: Schedule
    forced_probability: Schedule
    auxiliary_weight: Schedule
    kl_weight: Schedule
    presence_weight: Schedule


@dataclasses.dataclass(frozen=True)
class Counting:
    """The deterministic function from location features to the number of objects: Appendix B.

    Attributes:
        window: side of the neighbourhood of a local maximum, pixels, odd.
        threshold: features above it count, until `LAVAE.calibrate` finds a better one. The paper has the threshold on
            the logits follow the image size as the logits do; a fixed threshold on the features, before that factor, is
            the same thing.
    """

    window: int
    threshold: float


class _Posterior(NamedTuple):
    """A sample from q(n, l, z | x) with its distributions; shapes for `objects` slots."""

    features: tf.Tensor  # [batch, height, width]
    logit_scale: tf.Tensor  # scalar
    count: tf.Tensor  # int32 [batch], what the features say
    presence: tf.Tensor  # float32 [batch, objects], 1 for the slots in use: the first n
    locations: tf.Tensor  # [batch, objects, height, width]
    appearance: tf.Tensor  # [batch, objects, D]
    kl_location: tf.Tensor  # [batch, objects]
    kl_appearance: tf.Tensor  # [batch, objects]


class LAVAE(SceneModel):
    """Location-Appearance Variational AutoEncoder."""

    def __init__(
        self,
        location_network: LocationNetwork,
        appearance_network: AppearanceNetwork,
        sprite_generator: SpriteGenerator,
        auxiliary_vae: AuxiliaryVAE,
        schedules: LavaeSchedules,
        counting: Counting,
        max_objects: int,
        latent_dim: int,
        max_inferred_objects: int,
        logit_factor: float = 1.5,
        exclusion_radius: int = 0,
        target_blur: float = 4.5,
        seed: int = 0,
        name: str = "lavae",
    ):
        """Creates the model.

        Args:
            location_network: L = f_loc(x).
            appearance_network: A = f_app(x).
            sprite_generator: f_dec(z).
            auxiliary_vae: of the warm-up.
            schedules: what changes over the steps.
            counting: how objects are counted.
            max_objects: N, see `SceneModel`.
            latent_dim: D, dimensions of an object's appearance.
            max_inferred_objects: see `SceneModel`.
            logit_factor: location logits are features times this times log(HW).
            exclusion_radius: see `LocationsWithoutReplacement`, pixels.
            target_blur: standard deviation of the KL map's blur, pixels.
            seed: see `SceneModel`.
            name: of the model.
        """
        super().__init__(seed, max_objects, max_inferred_objects, name=name)
        self.location_network = location_network
        self.appearance_network = appearance_network
        self.sprite_generator = sprite_generator
        self.auxiliary_vae = auxiliary_vae
        self.count_prior = CountPrior(max_objects, name="count_prior")
        self.latent_dim = latent_dim
        self._schedules = schedules
        self._counting = counting
        self._exclusion_radius = exclusion_radius
        self._target_blur = target_blur
        self._logit_factor = logit_factor
        self._count_threshold = self.add_weight(
            name="count_threshold",
            shape=[],
            dtype=tf.float32,
            initializer=tf.keras.initializers.Constant(counting.threshold),
            trainable=False,
        )

    def build_layers(self, images: tf.Tensor, seed: tf.Tensor) -> None:
        """See `SceneModel.build_layers`."""
        self.elbo_terms(images, seed)
        self.auxiliary_vae(images, seed=seed)

    def variable_groups(self) -> dict[str, list[tf.Variable]]:
        """The location network has a learning rate of its own."""
        return self.group_apart("location", self.location_network.trainable_variables)

    # The ELBO.

    def training_loss(self, images: tf.Tensor, step: tf.Tensor, seed: tf.Tensor) -> TrainingLoss:
        """See `SceneModel.training_loss`; the negative ELBO with what Appendix B adds to it."""
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
        with tf.name_scope("placing"):  # For profiles.
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

    def inference_features(self, images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """See `SceneModel.inference_features`: L and what A is made of."""
        return self.location_network(images), self.appearance_network(images)

    def elbo_terms(
        self,
        images: tf.Tensor,
        seed: tf.Tensor,
        max_objects: Optional[int] = None,
        sampled_kl: bool = False,
        features: tuple[tf.Tensor, ...] = (),
    ) -> dict[str, tf.Tensor]:
        """See `SceneModel.elbo_terms`: `reconstruction`, `kl_count`, `kl_location`, `kl_appearance`."""
        features = features or self.inference_features(images)
        posterior = self._sample_posterior(features, seed, max_objects or self.max_objects, sampled_kl=sampled_kl)
        centers = _hot_pixels(posterior.locations)
        pixel_means = self._draw(centers, posterior.presence, posterior.appearance, *_image_size(images))
        return self._elbo_terms(images, posterior, pixel_means)

    def _elbo_terms(self, images: tf.Tensor, posterior: _Posterior, pixel_sums: tf.Tensor) -> dict[str, tf.Tensor]:
        """The terms of equation 6 as Appendix A splits them, each `[batch]`, nats."""
        # The learned prior has no mass on more objects than it was trained with: KL_n = -log p(n).
        slots = posterior.presence.shape[1]
        count = tf.minimum(posterior.count, slots)
        return {
            "reconstruction": _log_likelihood(images, pixel_sums),
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
        count = tf.minimum(count_local_maxima(features, self._counting.window, self._count_threshold), slots)
        num_present = count
        if forced_probability is not None:
            forced = tf.random.stateless_uniform(tf.shape(count), forcing_seed) < forced_probability
            num_present = tf.where(forced, slots, count)

        logit_scale = self._logit_scale(features)
        location_posterior = LocationsWithoutReplacement(
            features * logit_scale, slots, temperature=temperature, exclusion_radius=self._exclusion_radius
        )
        locations = location_posterior.sample(seed=location_seed)  # [batch, slots, height, width]
        appearance_posterior = self.appearance_network.posterior(appearance_features, locations)
        appearance = appearance_posterior.sample(seed=appearance_seed)
        prior = self._appearance_prior()
        if sampled_kl:
            location_log_prob = location_posterior.log_prob_by_object(locations)
            kl_appearance = appearance_posterior.log_prob(appearance) - prior.log_prob(appearance)
        else:
            # Given the locations before it, a location's KL to the uniform prior is known exactly: only the sequence is
            # sampled, which has less variance than the log-probability of the sample.
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
        """Features to logits: proportional to log(HW), Appendix B, "Rescaling location logits"."""
        return self._logit_factor * tf.math.log(tf.cast(tf.reduce_prod(tf.shape(features)[1:]), tf.float32))

    def _appearance_prior(self) -> tfd.Distribution:
        zeros = tf.zeros([self.latent_dim])
        return tfd.Independent(tfd.Normal(zeros, tf.ones_like(zeros)), reinterpreted_batch_ndims=1)

    # What training adds to the ELBO.

    def _auxiliary_loss(
        self, images: tf.Tensor, features: tf.Tensor, weight: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """The warm-up's loss, `[batch]`, and its scalars; the auxiliary VAE does not run when the weight is 0."""

        def run() -> tuple[tf.Tensor, tf.Tensor]:
            negative_elbo, kl_map = self.auxiliary_vae(images, seed=seed, training=True)
            target = tf.stop_gradient(location_target(kl_map, *_image_size(images), self._target_blur))
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
        """Ties the level of the location features, on which counting rests, to the likelihood's evidence.

        Not in the paper. The softmax over locations does not see a constant added to L, and counting passes no
        gradient, so nothing in the ELBO holds L's level, and counts drift once the warm-up is over. But the generative
        model itself knows whether an object is there: drawing it must raise the log-likelihood by more than its KL
        costs. So each sampled location is labelled present or absent by that test, given the sprites before it in the
        sequence, and the features there are trained to be above or below the threshold accordingly, by logistic loss.
        No labels are used.

        Returns:
            float32 `[batch]`, nats.
        """
        centers = _hot_pixels(posterior.locations)
        canvases = [tf.zeros_like(images)]
        for layer in tf.unstack(paste_sprites(centers, sprites, *_image_size(images)), num=self.max_objects, axis=1):
            canvases.append(canvases[-1] + layer)
        canvases = tf.stack(canvases, axis=1)  # [batch, objects + 1, height, width, channels]
        log_likelihood = _log_likelihood(images[:, None], canvases)  # [batch, objects + 1]
        gain = log_likelihood[:, 1:] - log_likelihood[:, :-1]  # [batch, objects]
        is_worth_its_cost = tf.stop_gradient(gain > posterior.kl_location + posterior.kl_appearance)
        level = tf.gather_nd(posterior.features, centers, batch_dims=1) - self._count_threshold
        loss = tf.nn.sigmoid_cross_entropy_with_logits(
            tf.cast(is_worth_its_cost, tf.float32), level * posterior.logit_scale
        )
        return tf.reduce_sum(loss, axis=1)

    def calibrate(self, images: Iterable[tf.Tensor]) -> None:
        """See `SceneModel.calibrate`: sets the threshold of counting, from images alone.

        Not in the paper. Training leaves a gap between the features' maxima at objects and those beside them, but not
        always around the threshold that it began with. As in the presence loss, a maximum stands for an object if
        drawing its sprite gains more log-likelihood than its KL costs; the threshold is put where it agrees with that
        test most often.
        """
        heights, worth = zip(*(self._weigh_maxima(batch) for batch in images))
        heights, worth = np.concatenate(heights), np.concatenate(worth)
        if worth.any():
            self._count_threshold.assign(best_threshold(heights, worth))

    @tf.function(reduce_retracing=True, autograph=False)
    def _weigh_maxima(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Heights of the images' local maxima, and whether each is worth its cost given those above it: `[maxima]`."""
        slots = self.max_objects + _SPARE_SLOTS
        features = self.location_network(images)
        centers, present = highest_local_maxima(features, self._counting.window, _LOWEST_MAXIMUM, slots)
        one_hot = _one_hot_maps(centers, *_image_size(images))
        posterior = self.appearance_network.posterior(self.appearance_network(images), one_hot)
        kl_appearance = tfd.kl_divergence(posterior, self._appearance_prior())
        num_pixels = tf.reduce_prod(tf.shape(features)[1:])
        cost = kl_appearance - uniform_log_prob_by_object(slots, num_pixels)  # [batch, slots]
        sprites = self._sprites(posterior.mean(), training=False)
        layers = paste_sprites(centers, sprites, *_image_size(images))
        canvas, worth = tf.zeros_like(images), []
        for i in range(slots):
            drawn = canvas + layers[:, i]
            gain = _log_likelihood(images, drawn) - _log_likelihood(images, canvas)
            worth.append(present[:, i] & (gain > cost[:, i]))
            canvas = tf.where(worth[-1][:, None, None, None], drawn, canvas)
        heights = tf.gather_nd(features, centers, batch_dims=1)
        return tf.boolean_mask(heights, present), tf.boolean_mask(tf.stack(worth, axis=1), present)

    # Scene descriptions.

    def encode(
        self, images: tf.Tensor, max_objects: Optional[int] = None, seed: Optional[tf.Tensor] = None
    ) -> dict[str, tf.Tensor]:
        """See `SceneModel.encode`; beside the common names `appearance`, float32 `[batch, max_objects, D]`.

        Without a seed, locations are the counted maxima themselves, highest first: samples could take one object twice.
        """
        max_objects = max_objects or self.max_inferred_objects
        if seed is not None:
            sample = self._sample_posterior(self.inference_features(images), seed, max_objects)
            return _description(sample.presence, _hot_pixels(sample.locations), sample.appearance)
        features = self.location_network(images)
        centers, present = highest_local_maxima(features, self._counting.window, self._count_threshold, max_objects)
        one_hot = _one_hot_maps(centers, *_image_size(images))
        posterior = self.appearance_network.posterior(self.appearance_network(images), one_hot)
        return _description(tf.cast(present, tf.float32), centers, posterior.mean())

    def geometry(
        self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """See `SceneModel.geometry`; boxes are around what the sprites show."""
        present, sprites = self._present_sprites(description["presence"], description["appearance"])
        centers = tf.cast(tf.round(tf.gather_nd(description["locations"], present)), tf.int32)
        shape = tf.concat([tf.shape(description["presence"]), [4]], axis=0)
        boxes = tf.scatter_nd(tf.cast(present, tf.int32), boxes_of_sprites(centers, sprites, height, width), shape)
        return {"boxes": boxes}

    def decode(self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """See `SceneModel.decode`; locations are rounded to whole pixels."""
        centers = tf.cast(tf.round(description["locations"]), tf.int32)
        pixel_sums = self._draw(centers, description["presence"], description["appearance"], height, width)
        return tf.clip_by_value(pixel_sums, 0.0, 1.0)

    def sample_description(
        self, num_scenes: int, height: int, width: int, seed: tf.Tensor, max_objects: Optional[int] = None
    ) -> dict[str, tf.Tensor]:
        """See `SceneModel.sample_description`."""
        count_seed, location_seed, appearance_seed = tfp.random.split_seed(seed, n=3, salt="prior")
        slots = self.max_objects if max_objects is None else max_objects
        count = self.count_prior.for_range(max_objects).sample(num_scenes, seed=count_seed)
        presence = tf.sequence_mask(count, slots, tf.float32)
        uniform = LocationsWithoutReplacement(tf.zeros([num_scenes, height, width]), slots)
        appearance = self._appearance_prior().sample([num_scenes, slots], seed=appearance_seed)
        return _description(presence, _hot_pixels(uniform.sample(seed=location_seed)), appearance)

    def views(self, images: tf.Tensor, description: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """See `SceneModel.views`; `features` are the location features."""
        return {
            "sprites": self._sprites(description["appearance"], training=False),
            "features": self.location_network(images),
        }

    def _sprites(self, appearance: tf.Tensor, training: bool) -> tf.Tensor:
        shape = tf.shape(appearance)
        sprites = self.sprite_generator(tf.reshape(appearance, [-1, self.latent_dim]), training=training)
        return tf.reshape(sprites, tf.concat([shape[:2], tf.shape(sprites)[1:]], axis=0))

    def _draw(
        self, centers: tf.Tensor, presence: tf.Tensor, appearance: tf.Tensor, height: tf.Tensor, width: tf.Tensor
    ) -> tf.Tensor:
        """Sum of the present objects' sprites at whole-pixel locations: `[batch, height, width, channels]`."""
        present, sprites = self._present_sprites(presence, appearance)
        layers = paste_sprites(tf.gather_nd(centers, present)[:, None], sprites[:, None], height, width)[:, 0]
        return tf.math.unsorted_segment_sum(layers, present[:, 0], tf.shape(presence)[0])

    def _present_sprites(self, presence: tf.Tensor, appearance: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Scene and slot of each object that is present, int64 `[sprites, 2]`, and its sprite.

        Only sprites that are present are made, and one more: oneDNN's convolutions fail on an empty batch.
        """
        present = tf.where(presence > 0.5)
        appearance = tf.pad(tf.gather_nd(appearance, present), [[0, 1], [0, 0]])
        return present, self.sprite_generator(appearance)[:-1]


def _description(presence: tf.Tensor, centers: tf.Tensor, appearance: tf.Tensor) -> dict[str, tf.Tensor]:
    """What is not present is 0."""
    return {
        "num_objects": tf.cast(tf.reduce_sum(presence, axis=1), tf.int32),
        "presence": presence,
        "locations": tf.cast(centers, tf.float32) * presence[..., None],
        "appearance": appearance * presence[..., None],
    }


def pixel_likelihood(pixel_sums: tf.Tensor) -> tfd.Bernoulli:
    """p(x | n, l, z), equations 4 and 12: independent Bernoulli pixels.

    Args:
        pixel_sums: sum of the placed sprites, any shape; clipped to the open interval (0, 1), since sprites that
            overlap add up to more than 1 and Fourier transforms leave errors of rounding.
    """
    return tfd.Bernoulli(probs=tf.clip_by_value(pixel_sums, _PIXEL_MARGIN, 1.0 - _PIXEL_MARGIN), dtype=tf.float32)


def _log_likelihood(images: tf.Tensor, pixel_sums: tf.Tensor) -> tf.Tensor:
    """Log p(x | n, l, z), nats per image: `[..., height, width, channels]` -> `[...]`."""
    return tf.reduce_sum(pixel_likelihood(pixel_sums).log_prob(images), axis=[-3, -2, -1])


def _image_size(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    shape = tf.shape(images)
    return shape[1], shape[2]


def _hot_pixels(locations: tf.Tensor) -> tf.Tensor:
    """The largest pixel of each map: `[batch, objects, height, width]` -> int32 `[batch, objects, 2]`, y then x."""
    shape = tf.shape(locations)
    flat = tf.reshape(locations, [shape[0], shape[1], -1])
    index = tf.argmax(flat, axis=-1, output_type=tf.int32)
    return tf.stack([index // shape[3], index % shape[3]], axis=-1)


def _one_hot_maps(centers: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """The inverse of `_hot_pixels`: float32 `[batch, objects, height, width]`."""
    rows = tf.one_hot(centers[..., 0], height)
    columns = tf.one_hot(centers[..., 1], width)
    return rows[..., :, None] * columns[..., None, :]
