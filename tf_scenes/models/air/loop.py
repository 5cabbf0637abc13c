"""Attend, infer, repeat: what AIR and Discrete-AIR share (Discrete-AIR, sections 2 and 3).

Generative model (equations 2 and 3): a number of objects n, for each one what it looks like and z_where, the sum of the
objects drawn through the spatial transformer as the means of Gaussian pixels. Inference (equation 1): an LSTM looks at
the difference between image and canvas, and says whether there is one more object and where; a glimpse there says what.
"""

import abc
from collections.abc import Mapping, Sequence
from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp
from typing_extensions import override

from tf_scenes.descriptions import BOXES, LOCATIONS, PRESENCE, SIZES, WHERE, by_object, describe, only_present
from tf_scenes.distributions.counts import CountPrior
from tf_scenes.distributions.presence import (
    geometric_presence,
    presence_logits_of_counts,
    relaxed_presence_logits,
)
from tf_scenes.layers.affine import Affine, scale_and_translation
from tf_scenes.layers.boxes import boxes_of_corners
from tf_scenes.layers.spatial_transformer import SpatialTransformer
from tf_scenes.layers.worth import gains_more_than_it_costs
from tf_scenes.models.air.attention import Localization, Refinement, Where
from tf_scenes.models.air.options import AttentionOptions
from tf_scenes.models.air.presence_baseline import PresenceBaseline
from tf_scenes.models.air.slots import Attention, Inference, Object, SamplingOptions, Slot, scale_gradient
from tf_scenes.models.scene_model import SceneModel, SceneSpec
from tf_scenes.training.schedules import Ramp, switched_on
from tf_scenes.training.trainable_model import TrainingLoss, elbo

tfd = tfp.distributions

# A uniform number of objects up to 3 has probabilities of 1/4; below this a count is as good as impossible.
_LEAST_COUNT_PROBABILITY = 1e-6
# Units of the second look's dense layer.
_REFINEMENT_UNITS = 128
_GLIMPSE_CHANNELS = (16, 32)
# Points of a sprite, x then y.
_CORNERS = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))
_BASE = ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0))


def glimpse_channels(options: AttentionOptions) -> tuple[int, ...]:
    """Channels of the convolutions that look at a glimpse; none where the options say so."""
    return _GLIMPSE_CHANNELS if options.convolutional else ()


class AttendInferRepeat(SceneModel):
    """Base of AIR and Discrete-AIR: the loop. A subclass says what an object is."""

    def __init__(self, options: AttentionOptions, scenes: SceneSpec, name: str):
        """Creates what both models have.

        Args:
            options: of the loop.
            scenes: that the model is for; images of other sizes are scaled to theirs for inference.
            name: of the model.
        """
        super().__init__(scenes, name=name)
        self.attention_options = options
        self.attention = Attention(options)
        dimensions = self.attention.dimensions
        self.localization = Localization(options.units, dimensions, options.convolutional, name="localization")
        self.refinement = None
        if options.surroundings:
            channels = glimpse_channels(options)
            self.refinement = Refinement(_REFINEMENT_UNITS, dimensions, channels, name="refinement")
        self.transformer = SpatialTransformer(options.glimpse_size, name="spatial_transformer")
        self.count_prior = CountPrior(scenes.max_objects, name="count_prior")
        self.baseline = PresenceBaseline(name="baseline") if options.estimator == "nvil" else None
        self._image_size = scenes.image_shape[:2]
        self._continue_probability = Ramp(
            options.continue_probability,
            options.continue_probability_final,
            options.continue_first_step,
            options.continue_first_step + options.continue_steps,
            geometric=True,
        )
        # Factor of what NVIL credits presence with. Not in the paper: sprites that are still wrong cost more than
        # drawing nothing, so that at 1 from the start all objects end at once.
        self._presence_credit = switched_on(options.continue_first_step, 1.0)

    # What a subclass defines.

    @abc.abstractmethod
    def infer_object(self, glimpses: tf.Tensor, sampling: SamplingOptions) -> Object:
        """What glimpses show.

        Args:
            glimpses: float32 `[batch, size, size, channels]`.
            sampling: how latents are drawn.
        """

    @abc.abstractmethod
    def draw_object(self, latents: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Sprites of described objects, as in `Object`.

        Args:
            latents: of a description, name to `[objects, ...]`.
        """

    def pose(self, latents: Mapping[str, tf.Tensor]) -> Optional[Affine]:
        """The pose of described objects, as in `Object`; None where there is none but scale and translation.

        Args:
            latents: see `draw_object`.
        """
        return None

    @abc.abstractmethod
    def sample_latents(self, num_objects: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Latents of a number of objects from the prior, name to `[objects, ...]`."""

    @property
    @abc.abstractmethod
    def num_features(self) -> int:
        """The length of `Object.features`."""

    def training_sampling(self, step: tf.Tensor, seed: tf.Tensor) -> SamplingOptions:
        """How latents are drawn in training."""
        temperature = self.attention_options.presence_temperature if self.baseline is None else None
        return SamplingOptions(seed, presence_temperature=temperature)

    def auxiliary_loss(
        self, inference: Inference, step: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """What the model adds to the negative ELBO, `[batch]`, and scalars worth a curve."""
        return tf.zeros_like(inference.slots[0].presence), {}

    # The loop.

    @override
    def build_layers(self, images: tf.Tensor, seed: tf.Tensor) -> None:
        own_size = self._to_own_size(images)
        inference = self.infer(own_size, 1, SamplingOptions(seed))
        if self.baseline is not None:
            self.baseline(own_size, inference.slots[0].state, 0)

    def infer(self, images: tf.Tensor, num_slots: int, sampling: SamplingOptions) -> Inference:
        """Looks for one object after another.

        Args:
            images: float32 `[batch, height, width, channels]` of the size that the model is for.
            num_slots: most objects.
            sampling: how latents are drawn.
        """
        batch = tf.shape(images)[0]
        canvas, presence = tf.zeros_like(images), tf.ones([batch])
        state = self.localization.initial_state(batch)
        latents = tf.zeros([batch, 1 + self.attention.dimensions + self.num_features])
        slots = []
        for number in range(num_slots):
            logits, guess, state = self.localization(images - canvas, latents, state)
            own_sampling = sampling.of_slot(number)
            relaxed_logits, present = _draw_presence(logits, own_sampling)
            posterior = self._where_posterior(images, guess, sampling.core_ops_only)
            where = own_sampling.latent(posterior, self.attention.prior(), "where")
            placed = scale_and_translation(*self.attention.scale_and_translation(where.value))
            glimpses = self.transformer.read(images, placed, sampling.core_ops_only)
            found = self.infer_object(glimpses, own_sampling)
            drawing = self.transformer.write(
                scale_gradient(found.sprite, sampling.sprite_gradient),
                _posed(placed, found.pose),
                *self._image_size,
                sampling.core_ops_only,
            )
            slots.append(
                Slot(
                    presence_logits=logits,
                    relaxed_logits=relaxed_logits,
                    presence_before=presence,
                    presence=presence * present,
                    where=where,
                    state=tf.cast(state[0], tf.float32),
                    object=found,
                    drawing=drawing,
                )
            )
            presence = slots[-1].presence
            canvas += presence[:, None, None, None] * drawing
            latents = tf.concat([presence[:, None], where.value, found.features], axis=-1)
        return Inference(canvas, slots)

    def _where_posterior(self, images: tf.Tensor, guess: Where, core_ops_only: bool) -> tfd.Normal:
        guess = guess._replace(mean=guess.mean + self.attention.prior_mean())
        if self.refinement is not None:
            scale, translation = self.attention.scale_and_translation(guess.mean)
            scale = self.attention_options.surroundings * scale
            glimpses = self.transformer.read(images, scale_and_translation(scale, translation), core_ops_only)
            guess = self.refinement(glimpses, guess, scale)
        return tfd.Normal(guess.mean, tf.exp(guess.log_stddev))

    # The ELBO.

    @override
    def training_loss(self, images: tf.Tensor, step: tf.Tensor, seed: tf.Tensor) -> TrainingLoss:
        """The negative ELBO (equation 9) under the annealed prior of presence."""
        inference_seed, auxiliary_seed = tfp.random.split_seed(seed, n=2, salt="training_loss")
        inference = self.infer(images, self.max_objects, self.training_sampling(step, inference_seed))
        continue_probability = self._continue_probability(step)
        prior_logits = geometric_presence(continue_probability, self.max_objects).logits
        terms = self._elbo_terms(images, inference, prior_logits)
        auxiliary_loss, scalars = self.auxiliary_loss(inference, step, auxiliary_seed)
        # The prior of the number of objects is fitted to what is inferred; training itself uses the geometric one.
        counts = tf.cast(tf.round(_num_present(inference)), tf.int32)
        fit = -self.count_prior.for_range(None).log_prob(counts)
        loss = -elbo(terms) + auxiliary_loss + fit
        if self.baseline is not None:
            loss += self._presence_surrogate(images, inference, terms, prior_logits, self._presence_credit(step))
        scalars = {
            **scalars,
            "inferred_count": tf.reduce_mean(_num_present(inference)),
            "continue_probability": continue_probability,
        }
        return TrainingLoss(loss, terms, scalars)

    @override
    def elbo_terms(
        self,
        images: tf.Tensor,
        seed: tf.Tensor,
        max_objects: Optional[int] = None,
        sampled_kl: bool = False,
        features: tuple[tf.Tensor, ...] = (),
    ) -> dict[str, tf.Tensor]:
        """The prior of counts is the fitted one, not training's geometric one."""
        images, num_slots = self._to_own_size(images), max_objects or self.max_objects
        inference = self.infer(images, num_slots, SamplingOptions(seed))
        probabilities = self.count_prior.for_range(max_objects).probs_parameter()
        prior_logits = presence_logits_of_counts(tf.maximum(probabilities, _LEAST_COUNT_PROBABILITY))
        return self._elbo_terms(images, inference, prior_logits, sampled_kl)

    def _elbo_terms(
        self, images: tf.Tensor, inference: Inference, prior_logits: tf.Tensor, sampled_kl: bool = False
    ) -> dict[str, tf.Tensor]:
        kls = [slot.kl(sampled_kl) for slot in inference.slots]
        return {
            "reconstruction": self._log_likelihood(images, inference.canvas),
            "kl_count": tf.add_n(self._presence_kl(inference, prior_logits, sampled_kl)),
            **{name: tf.add_n([slot.presence * kl[name] for slot, kl in zip(inference.slots, kls)]) for name in kls[0]},
        }

    def _log_likelihood(self, images: tf.Tensor, canvas: tf.Tensor) -> tf.Tensor:
        """Of Gaussian pixels, equation 2: `[batch]`, nats."""
        pixels = tfd.Normal(canvas, self.attention_options.pixel_stddev)
        return tf.reduce_sum(pixels.log_prob(images), axis=[1, 2, 3])

    def _presence_kl(self, inference: Inference, prior_logits: tf.Tensor, sampled: bool = False) -> list[tf.Tensor]:
        """KL of each slot's presence given all before, weighted by theirs: `[batch]` each.

        Exact where presence is 0 or 1, unless it is to be that of the sample; a Monte-Carlo estimate of the relaxed
        densities' where it is relaxed.
        """
        kls = []
        for slot, prior_logit in zip(inference.slots, tf.unstack(prior_logits)):
            logits = (slot.presence_logits, prior_logit)
            if slot.relaxed_logits is not None:
                temperature = self.attention_options.presence_temperature
                posterior, prior = (relaxed_presence_logits(each, temperature) for each in logits)
                kl = posterior.log_prob(slot.relaxed_logits) - prior.log_prob(slot.relaxed_logits)
            else:
                posterior, prior = (tfd.Bernoulli(each, dtype=tf.float32) for each in logits)
                exact = posterior.kl_divergence(prior)
                kl = posterior.log_prob(slot.presence) - prior.log_prob(slot.presence) if sampled else exact
            kls.append(slot.presence_before * kl)
        return kls

    def _presence_surrogate(
        self,
        images: tf.Tensor,
        inference: Inference,
        terms: Mapping[str, tf.Tensor],
        prior_logits: tf.Tensor,
        credit: tf.Tensor,
    ) -> tf.Tensor:
        """NVIL (Mnih and Gregor, 2014): what gives the presences of 0 or 1 their gradient, and the baseline its own.

        A presence is credited with the reconstruction and with the KL terms of its own slot and those after it. What
        NVIL does beyond a baseline, dividing by the advantages' standard deviation, is left out: the KL of presence has
        its exact gradient beside this one, and undivided it would outweigh hundreds of nats and end all objects.
        """
        presence_kl = self._presence_kl(inference, prior_logits)
        costs = [
            presence_kl[number] + slot.presence * tf.add_n(list(slot.kl().values()))
            for number, slot in enumerate(inference.slots)
        ]
        surrogate = 0.0
        for number, slot in enumerate(inference.slots):
            cost = tf.stop_gradient(tf.add_n(costs[number:]) - terms["reconstruction"])
            baseline = self.baseline(images, tf.stop_gradient(slot.state), number)
            present = tf.stop_gradient(slot.presence)
            log_probability = tfd.Bernoulli(slot.presence_logits, dtype=tf.float32).log_prob(present)
            advantage = tf.stop_gradient(cost - baseline)
            before = tf.stop_gradient(slot.presence_before)
            surrogate += before * (credit * advantage * log_probability + self.baseline.loss(cost, baseline))
        return surrogate

    # Descriptions.

    @override
    def encode(
        self, images: tf.Tensor, max_objects: Optional[int] = None, seed: Optional[tf.Tensor] = None
    ) -> dict[str, tf.Tensor]:
        """Images of another size than the model's are scaled to it.

        Returns:
            `num_objects`, `presence`, `locations` (middles of the glimpses), `sizes` (height and width of the glimpses,
            float32 `[batch, max_objects, 2]`, pixels), and what the model knows of an object.
        """
        shape, images = tf.shape(images), self._to_own_size(images)
        num_slots = max_objects or self.max_inferred_objects
        inference = self.infer(images, num_slots, SamplingOptions(seed, core_ops_only=True))
        presence = self._pruned(images, inference) if self.attention_options.prunes else _presence(inference)
        where = tf.stack([slot.where.value for slot in inference.slots], axis=1)
        latents = {
            name: tf.stack([slot.object.latents[name] for slot in inference.slots], axis=1)
            for name in inference.slots[0].object.latents
        }
        # Objects that are present come first.
        order = tf.argsort(presence, direction="DESCENDING", stable=True)
        presence, where = (tf.gather(values, order, batch_dims=1) for values in (presence, where))
        latents = {name: tf.gather(values, order, batch_dims=1) for name, values in latents.items()}
        return self._describe(presence, where, latents, shape[1], shape[2])

    def _pruned(self, images: tf.Tensor, inference: Inference) -> tf.Tensor:
        """Presence of the objects that gain more than they cost, given those before that did: `[batch, slots]`.

        Not in the paper. A slot that finds nothing cannot say so: presence that is 0 once ends the sequence, so that a
        model with objects still to come passes by making its object tiny. That is no object.
        """
        is_object = gains_more_than_it_costs(
            tf.stack([slot.drawing for slot in inference.slots], axis=1),
            tf.stack([tf.add_n(list(slot.kl().values())) for slot in inference.slots], axis=1),
            lambda canvas: self._log_likelihood(images, canvas),
            candidates=_presence(inference) > 0.5,
        )
        return tf.cast(is_object, tf.float32)

    def _describe(
        self,
        presence: tf.Tensor,
        where: tf.Tensor,
        latents: Mapping[str, tf.Tensor],
        height: tf.Tensor,
        width: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        image_size = tf.cast(tf.stack([height, width]), tf.float32)
        scale, translation = self.attention.scale_and_translation(where)
        locations = (translation[..., ::-1] + 1.0) * image_size / 2.0 - 0.5
        return describe(presence, {LOCATIONS: locations, SIZES: scale[..., ::-1] * image_size, **latents})

    @override
    def decode(self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        scenes, slots = tf.unstack(tf.shape(description[PRESENCE]))
        flat = _object_by_object(description)
        placed = _posed(_placed(flat, height, width), self.pose(flat))
        drawn = self.transformer.write(self.draw_object(flat), placed, height, width, core_ops_only=True)
        drawn *= flat[PRESENCE][:, None, None, None]
        # Where an object is absent, its size is 0: nothing of it may reach the sum, not even a NaN.
        drawn = tf.where(flat[PRESENCE][:, None, None, None] > 0.0, drawn, 0.0)
        scenes_of_objects = tf.reshape(drawn, tf.concat([[scenes, slots], tf.shape(drawn)[1:]], axis=0))
        return tf.clip_by_value(tf.reduce_sum(scenes_of_objects, axis=1), 0.0, 1.0)

    @override
    def sample_description(
        self, num_scenes: int, height: int, width: int, seed: tf.Tensor, max_objects: Optional[int] = None
    ) -> dict[str, tf.Tensor]:
        count_seed, where_seed, latent_seed = tfp.random.split_seed(seed, n=3, salt="prior")
        slots = self.max_objects if max_objects is None else max_objects
        counts = self.count_prior.for_range(max_objects).sample(num_scenes, seed=count_seed)
        where = self.attention.prior().sample([num_scenes, slots], seed=where_seed)
        latents = {
            name: tf.reshape(value, tf.concat([[num_scenes, slots], tf.shape(value)[1:]], axis=0))
            for name, value in self.sample_latents(num_scenes * slots, latent_seed).items()
        }
        presence = tf.sequence_mask(counts, slots, tf.float32)
        return self._describe(presence, where, latents, tf.constant(height), tf.constant(width))

    @override
    def views(self, images: tf.Tensor, description: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`outlines` are the glimpses' corners."""
        sprites = self.draw_object(_object_by_object(description))
        shape = tf.concat([tf.shape(description[PRESENCE]), tf.shape(sprites)[1:]], axis=0)
        outlines = self._on_canvas(_CORNERS, description, tf.shape(images)[1], tf.shape(images)[2])
        return {"sprites": tf.reshape(sprites, shape), "outlines": outlines}

    @override
    def geometry(
        self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Boxes are around the glimpses."""
        boxes = boxes_of_corners(self._on_canvas(_CORNERS, description, height, width), height, width)
        # The images of a map's unit vectors and of the origin are its columns.
        right, down, middle = tf.unstack(self._on_canvas(_BASE, description, height, width), axis=2)
        where = tf.stack([down - middle, right - middle, middle], axis=-1)
        return only_present(description[PRESENCE], {BOXES: boxes, WHERE: where})

    def _on_canvas(
        self,
        points: Sequence[tuple[float, float]],
        description: Mapping[str, tf.Tensor],
        height: tf.Tensor,
        width: tf.Tensor,
    ) -> tf.Tensor:
        """Points of sprites, x then y, on the canvas: `[batch, objects, points, 2]`, pixels, y then x."""
        flat = _object_by_object(description)
        to_canvas = _posed(_placed(flat, height, width), self.pose(flat))
        placed = to_canvas.to_pixels(height, width).apply(tf.constant(points))[..., ::-1]
        return tf.reshape(placed, tf.concat([tf.shape(description[PRESENCE]), [len(points), 2]], axis=0))

    def _to_own_size(self, images: tf.Tensor) -> tf.Tensor:
        if tuple(images.shape[1:3]) == self._image_size:
            return images
        resized = tf.image.resize(images, self._image_size, antialias=True)
        same = tf.reduce_all(tf.equal(tf.shape(images)[1:3], self._image_size))
        # Resizing to the same size would smooth a little.
        return tf.ensure_shape(tf.cond(same, lambda: images, lambda: resized), resized.shape)


def _draw_presence(logits: tf.Tensor, sampling: SamplingOptions) -> tuple[Optional[tf.Tensor], tf.Tensor]:
    """This slot's relaxed presence before its sigmoid, if relaxed, and its presence given all before: `[batch]`."""
    if sampling.seed is None:
        return None, tf.cast(logits > 0.0, tf.float32)
    seed = sampling.seed_of("presence")
    if sampling.presence_temperature is None:
        return None, tfd.Bernoulli(logits, dtype=tf.float32).sample(seed=seed)
    relaxed = relaxed_presence_logits(logits, sampling.presence_temperature).sample(seed=seed)
    return relaxed, tf.sigmoid(relaxed)


def _presence(inference: Inference) -> tf.Tensor:
    return tf.stack([slot.presence for slot in inference.slots], axis=1)


def _num_present(inference: Inference) -> tf.Tensor:
    return tf.reduce_sum(_presence(inference), axis=1)


def _object_by_object(description: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """A description's objects in one row: name to `[scenes * slots, ...]`."""
    return {
        name: tf.reshape(value, tf.concat([[-1], tf.shape(value)[2:]], axis=0))
        for name, value in by_object(description).items()
    }


def _posed(placed: Affine, pose: Optional[Affine]) -> Affine:
    return placed if pose is None else placed.after(pose)


def _placed(description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor) -> Affine:
    """Scale and translation from pixels; what has no size gets one that can be inverted."""
    image_size = tf.cast(tf.stack([height, width]), tf.float32)
    scale = tf.maximum(description[SIZES], 1e-3) / image_size
    translation = (description[LOCATIONS] + 0.5) * 2.0 / image_size - 1.0
    return scale_and_translation(scale[..., ::-1], translation[..., ::-1])
