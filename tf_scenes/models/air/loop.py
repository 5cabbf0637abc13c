"""Attend, infer, repeat: the loop over objects that AIR and Discrete-AIR share (Discrete-AIR, sections 2 and 3).

Generative model (equations 2 and 3): a number of objects n; an appearance and z_where for each object; Gaussian pixels,
whose means are the sum of the objects drawn by the spatial transformer. Inference (equation 1): an LSTM looks at the
difference between image and canvas, or at what the canvas leaves unexplained, and infers whether there is another
object and where; a glimpse there tells what it looks like.
"""

import abc
import itertools
from collections.abc import Mapping
from typing import NamedTuple, Optional

import tensorflow as tf
import tensorflow_probability as tfp
from typing_extensions import override

from tf_scenes.descriptions import LOCATIONS, PRESENCE, SIZES, WHERE, by_object, describe, only_present
from tf_scenes.distributions.counts import CountPrior
from tf_scenes.distributions.presence import (
    geometric_presence,
    presence_logits_of_counts,
    relaxed_presence_logits,
)
from tf_scenes.layers.acceptance import gains_more_than_it_costs
from tf_scenes.layers.affine import Affine, scale_and_translation
from tf_scenes.layers.neighborhoods import largest_around
from tf_scenes.layers.spatial_transformer import SpatialTransformer
from tf_scenes.models.air.attention import Localization, Located, Refinement, Where
from tf_scenes.models.air.options import AttentionOptions
from tf_scenes.models.air.presence_baseline import PresenceBaseline
from tf_scenes.models.air.slots import (
    Attention,
    Inference,
    Latent,
    Object,
    Pose,
    SamplingOptions,
    Slot,
    kl_terms,
    scale_gradient,
)
from tf_scenes.models.scene_model import SceneModel, SceneSpec, Side
from tf_scenes.training.schedules import Ramp, switched_on
from tf_scenes.training.trainable_model import TrainingLoss, elbo

tfd = tfp.distributions

# The fitted prior's probability of a count is at least this, so that log-probabilities stay finite.
_LEAST_COUNT_PROBABILITY = 1e-6
# Number of units of the second look's dense layer.
_REFINEMENT_UNITS = 128
_GLIMPSE_CHANNELS = (16, 32)
# Pixels by which the canvas is widened where it hides what is explained: objects are drawn too thin, or blurred.
_WIDENING = 2
# Distance between guesses, in halves of a glimpse's side.
_GUESS_DISTANCE = 0.5


class _Seen(NamedTuple):
    """What networks see of the images in one slot, each float32 `[batch, height, width, channels]`.

    Attributes:
        whole: What the recurrent network sees.
        glimpses: What glimpses are read from.
    """

    whole: tf.Tensor
    glimpses: tf.Tensor


class _Progress(NamedTuple):
    """What one slot leaves to the next.

    Attributes:
        canvas: Sum of the present objects' drawings, float32 `[batch, height, width, channels]`.
        presence: Presence of the latest object, float32 `[batch]`.
        state: State of the LSTM.
        latents: What the LSTM sees of the latest object, float32 `[batch, L]`.
    """

    canvas: tf.Tensor
    presence: tf.Tensor
    state: list[tf.Tensor]
    latents: tf.Tensor


class _Explanation(NamedTuple):
    """What one slot explains: a draw of z_where, the object there, its drawing `[batch, height, width, channels]`."""

    where: Latent
    object: Object
    drawing: tf.Tensor


def glimpse_channels(options: AttentionOptions) -> tuple[int, ...]:
    """Numbers of channels of the convolutions on a glimpse; empty if the options ask for no convolutions."""
    return _GLIMPSE_CHANNELS if options.convolutional else ()


class AttendInferRepeat(SceneModel):
    """Base class of AIR and Discrete-AIR: the loop over objects. A subclass defines what an object looks like."""

    def __init__(self, options: AttentionOptions, scenes: SceneSpec, name: str, num_pose_parameters: int = 0):
        """Creates the parts that both models have.

        Args:
            options: Options of the loop over objects.
            scenes: Scenes that the model is for; for inference, images of other sizes are scaled to theirs.
            name: Name of the model.
            num_pose_parameters: Number of parameters of `draw_pose`; 0 if there is no pose before the glimpse.
        """
        super().__init__(scenes, name=name)
        self.attention_options = options
        self.attention = Attention(options)
        dimensions = self.attention.dimensions
        self.localization = Localization(
            options.units, dimensions, options.convolutional, num_pose_parameters, name="localization"
        )
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
        # Factor of NVIL's gradient of presence. Not in the paper: at first sprites are so wrong that they cost more
        # than drawing nothing, and with a factor of 1 from the start all objects would vanish at once.
        self._presence_credit = switched_on(options.continue_first_step, 1.0)

    # What a subclass defines.

    @abc.abstractmethod
    def infer_object(self, glimpses: tf.Tensor, sampling: SamplingOptions, pose: Optional[Pose] = None) -> Object:
        """Infers the objects that glimpses show.

        Args:
            glimpses: Glimpses, float32 `[batch, size, size, channels]`.
            sampling: How latents are drawn.
            pose: Rotation and skew by `draw_pose`, which glimpses have undone; None if the model has none, or infers
                them from glimpses.
        """

    def draw_pose(self, parameters: tf.Tensor, sampling: SamplingOptions) -> Pose:
        """Draws rotation and skew from the posterior that the recurrent network gives, before the glimpse is read.

        Args:
            parameters: Parameters, float32 `[batch, parameters]`.
            sampling: How latents are drawn.
        """
        raise NotImplementedError(f"{type(self).__name__} has no pose before the glimpse")

    @abc.abstractmethod
    def draw_object(self, latents: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Draws the sprites of described objects: `[objects, size, size, channels]`.

        Args:
            latents: Fields of the objects' description by name, each `[objects, ...]`, as in `Object.latents`.
        """

    def pose(self, latents: Mapping[str, tf.Tensor]) -> Optional[Affine]:
        """The part of T^d before scale and translation; None if objects have nothing but scale and translation.

        Args:
            latents: Fields of the objects' description, as for `draw_object`.
        """
        return None

    @abc.abstractmethod
    def sample_latents(self, num_objects: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Draws the latents of a number of objects from the prior: by name, each `[objects, ...]`."""

    @property
    @abc.abstractmethod
    def num_features(self) -> int:
        """Number of features in `Object.features`."""

    def training_sampling(self, step: tf.Tensor, seed: tf.Tensor) -> SamplingOptions:
        """How latents are drawn at an optimisation step of training."""
        temperature = self.attention_options.presence_temperature if self.baseline is None else None
        return SamplingOptions(seed, presence_temperature=temperature)

    def auxiliary_loss(
        self, inference: Inference, step: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """The loss that the model adds to the negative ELBO, `[batch]`, and scalars to report; none by default."""
        return tf.zeros_like(inference.slots[0].presence), {}

    # The loop.

    @override
    def build_training_layers(self, images: tf.Tensor, seed: tf.Tensor) -> None:
        if self.baseline is not None:
            state = tf.zeros([tf.shape(images)[0], self.attention_options.units])
            self.baseline(self._to_training_size(images), state, 0)

    def infer(self, images: tf.Tensor, num_slots: int, sampling: SamplingOptions) -> Inference:
        """Infers one object after another.

        Args:
            images: Images of the training size, float32 `[batch, height, width, channels]`.
            num_slots: Number of slots, the maximum number of objects.
            sampling: How latents are drawn.
        """
        batch = tf.shape(images)[0]
        progress = _Progress(
            canvas=tf.zeros_like(images),
            presence=tf.ones([batch]),
            state=self.localization.initial_state(batch),
            latents=tf.zeros([batch, 1 + self.attention.dimensions + self.num_features]),
        )
        slots = []
        for number in range(num_slots):
            slot_sampling = sampling.of_slot(number)
            if sampling.core_ops_only:
                slot, progress = self._infer_exported_slot(images, progress, slot_sampling.seed, sampling.guesses)
            else:
                slot, progress = self._infer_slot(images, progress, slot_sampling)
            slots.append(slot)
        return Inference(progress.canvas, slots)

    @tf.function(autograph=False)
    def _infer_exported_slot(
        self, images: tf.Tensor, progress: _Progress, seed: Optional[tf.Tensor], guesses: int
    ) -> tuple[Slot, _Progress]:
        # A graph of its own, which an exported model holds once and calls for each slot.
        return self._infer_slot(images, progress, SamplingOptions(seed, core_ops_only=True, guesses=guesses))

    def _infer_slot(self, images: tf.Tensor, progress: _Progress, sampling: SamplingOptions) -> tuple[Slot, _Progress]:
        canvas, batch = progress.canvas, tf.shape(images)[0]
        state = progress.state if self.attention_options.memory else self.localization.initial_state(batch)
        seen = self._seen(images, canvas)
        located = self.localization(seen.whole, progress.latents, state)
        relaxed_logits, present = _draw_presence(located.presence_logits, sampling)
        if sampling.guesses == 1:
            where, found, drawing = self._explain(seen.glimpses, located, sampling)
        else:
            where, found, drawing = self._explain_most(images, canvas, seen.glimpses, located, sampling)
        slot = Slot(
            presence_logits=located.presence_logits,
            relaxed_logits=relaxed_logits,
            presence_before=progress.presence,
            presence=progress.presence * present,
            where=where,
            state=tf.cast(located.state[0], tf.float32),
            object=found,
            drawing=drawing,
        )
        return slot, _Progress(
            canvas=canvas + slot.presence[:, None, None, None] * drawing,
            presence=slot.presence,
            state=located.state,
            latents=tf.concat([slot.presence[:, None], where.value, found.features], axis=-1),
        )

    def _seen(self, images: tf.Tensor, canvas: tf.Tensor) -> _Seen:
        if self.attention_options.looks_at == "difference":
            return _Seen(images - canvas, images)
        left = tf.nn.relu(images - largest_around(canvas, 2 * _WIDENING + 1))
        return _Seen(left, left)

    def _explain(self, images: tf.Tensor, located: Located, sampling: SamplingOptions) -> _Explanation:
        """Draws z_where and the object that the glimpse there shows.

        Args:
            images: What glimpses are read from, float32 `[batch, height, width, channels]`.
            located: The recurrent network's guess.
            sampling: How latents are drawn.
        """
        posterior = self._where_posterior(images, located.where, sampling.core_ops_only)
        where = sampling.latent(posterior, self.attention.prior(), "where")
        placed = scale_and_translation(*self.attention.scale_and_translation(where.value))
        pose = None if located.pose_parameters is None else self.draw_pose(located.pose_parameters, sampling)
        # T^e of equation 7: what is known of the pose is undone.
        whole = placed if pose is None else _with_pose(placed, self.pose(pose.latents))
        found = self.infer_object(self.transformer.read(images, whole, sampling.core_ops_only), sampling, pose)
        drawing = self.transformer.write(
            scale_gradient(found.sprite, sampling.sprite_gradient),
            _with_pose(placed, self.pose(found.latents)),
            *self._image_size,
            sampling.core_ops_only,
        )
        return _Explanation(where, found, drawing)

    def _explain_most(
        self,
        images: tf.Tensor,
        canvas: tf.Tensor,
        glimpse_images: tf.Tensor,
        located: Located,
        sampling: SamplingOptions,
    ) -> _Explanation:
        """Of explanations that begin at the guess and at places around it, the one that raises the ELBO most.

        Not in the paper. Between two objects that nearly touch, one guess lies in the middle and shows neither.
        """
        several = tf.repeat(_offsets(sampling.guesses)[None], tf.shape(images)[0], axis=0)
        scale, translation = self.attention.scale_and_translation(located.where.mean + self.attention.prior_mean())
        places = translation[:, None] + _GUESS_DISTANCE * scale[:, None] * several  # [batch, guesses, 2]

        def repeated(values: Optional[tf.Tensor]) -> Optional[tf.Tensor]:
            return None if values is None else tf.repeat(values, sampling.guesses, axis=0)

        guesses: Located = tf.nest.map_structure(repeated, located)
        translations = self.attention.before_tanh(tf.reshape(places, [-1, 2]))
        mean = tf.concat([guesses.where.mean[:, :-2], translations], axis=-1)
        guesses = guesses._replace(where=guesses.where._replace(mean=mean))
        tried = self._explain(repeated(glimpse_images), guesses, sampling)
        with_object = self._log_likelihood(repeated(images), repeated(canvas) + tried.drawing)
        gain = with_object - tf.add_n(list(kl_terms(tried.where, tried.object).values()))
        best = tf.argmax(tf.reshape(gain, [-1, sampling.guesses]), axis=1, output_type=tf.int32)
        best += sampling.guesses * tf.range(tf.shape(images)[0])
        return tf.nest.map_structure(lambda values: tf.gather(values, best), tried)

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
        """The negative ELBO (equation 9) under the annealed prior of presence, plus the model's auxiliary loss."""
        inference_seed, auxiliary_seed = tfp.random.split_seed(seed, n=2, salt="training_loss")
        num_slots = self.max_objects + self.attention_options.extra_slots
        inference = self.infer(images, num_slots, self.training_sampling(step, inference_seed))
        continue_probability = self._continue_probability(step)
        prior_logits = geometric_presence(continue_probability, num_slots).logits
        terms = self._elbo_terms(images, inference, prior_logits)
        auxiliary_loss, scalars = self.auxiliary_loss(inference, step, auxiliary_seed)
        # The learned prior of counts is fitted to the inferred counts; training itself uses the geometric prior.
        counts = tf.minimum(tf.cast(tf.round(_num_present(inference)), tf.int32), self.max_objects)
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
        """Terms under the fitted prior of counts instead of training's geometric one."""
        images, num_slots = self._to_training_size(images), max_objects or self.max_objects
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
        """Log-likelihood of Gaussian pixels, equation 2: `[batch]`, in nats."""
        pixels = tfd.Normal(canvas, self.attention_options.pixel_stddev)
        return tf.reduce_sum(pixels.log_prob(images), axis=[1, 2, 3])

    def _presence_kl(self, inference: Inference, prior_logits: tf.Tensor, sampled: bool = False) -> list[tf.Tensor]:
        """KL of each slot's presence given earlier slots, weighted by the previous slot's presence: `[batch]` each.

        Where presence is 0 or 1, the KL is exact, or with `sampled` log q - log p at the sample. Where presence is
        relaxed, it is a Monte Carlo estimate of the KL of the relaxed densities.
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
        """NVIL's surrogate loss (Mnih and Gregor, 2014), `[batch]`: the gradient of presence, and the baseline's loss.

        A slot's presence is credited with the reconstruction and with the KL terms of this slot and all later ones.
        NVIL also divides advantages by their standard deviation. This is left out: the KL of presence contributes its
        exact gradient, undivided, which would then outweigh a reconstruction of hundreds of nats, and no object would
        remain.
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
        """Scales images of other sizes to the training size, and infers their objects.

        Returns:
            `num_objects`, `presence`, `locations` (centres of the glimpses), `sizes` (height and width of the glimpses,
            float32 `[batch, max_objects, 2]`, in pixels), and the fields of `Object.latents`.
        """
        shape, images = tf.shape(images), self._to_training_size(images)
        num_slots = max_objects or self.max_inferred_objects
        sampling = SamplingOptions(seed, core_ops_only=True, guesses=self.attention_options.guesses)
        inference = self.infer(images, num_slots, sampling)
        presence = self._pruned_presence(images, inference) if self.attention_options.prunes else _presence(inference)
        where = tf.stack([slot.where.value for slot in inference.slots], axis=1)
        latents = {
            name: tf.stack([slot.object.latents[name] for slot in inference.slots], axis=1)
            for name in inference.slots[0].object.latents
        }
        # Present objects come first.
        order = tf.argsort(presence, direction="DESCENDING", stable=True)
        presence, where = (tf.gather(values, order, batch_dims=1) for values in (presence, where))
        latents = {name: tf.gather(values, order, batch_dims=1) for name, values in latents.items()}
        return self._describe(presence, where, latents, shape[1], shape[2])

    def _pruned_presence(self, images: tf.Tensor, inference: Inference) -> tf.Tensor:
        """Presence, with objects removed that gain less than they cost given those kept before them: `[batch, slots]`.

        Not in the paper. A slot that misses cannot be absent while more objects remain, since the first absent slot
        ends the sequence; the model makes its object tiny instead. Such an object must not be reported.
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
        flat = _flatten_objects(description)
        placed = _with_pose(_placement(flat, height, width), self.pose(flat))
        drawn = self.transformer.write(self.draw_object(flat), placed, height, width, core_ops_only=True)
        drawn *= flat[PRESENCE][:, None, None, None]
        # An absent object has size 0: nothing of its drawing may reach the sum, not even NaN.
        drawn = tf.where(flat[PRESENCE][:, None, None, None] > 0.0, drawn, 0.0)
        scenes_of_objects = tf.reshape(drawn, tf.concat([[scenes, slots], tf.shape(drawn)[1:]], axis=0))
        return tf.clip_by_value(tf.reduce_sum(scenes_of_objects, axis=1), 0.0, 1.0)

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
        count_seed, where_seed, latent_seed = tfp.random.split_seed(seed, n=3, salt="prior")
        slots = self.max_objects if max_objects is None else max_objects
        counts = self.count_prior.for_samples(max_objects).sample(num_scenes, seed=count_seed)
        where = self.attention.prior().sample([num_scenes, slots], seed=where_seed)
        latents = {
            name: tf.reshape(value, tf.concat([[num_scenes, slots], tf.shape(value)[1:]], axis=0))
            for name, value in self.sample_latents(num_scenes * slots, latent_seed).items()
        }
        presence = tf.sequence_mask(counts, slots, tf.float32)
        return self._describe(presence, where, latents, *map(tf.convert_to_tensor, (height, width)))

    @override
    def views(self, images: tf.Tensor, description: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        sprites = self.draw_object(_flatten_objects(description))
        shape = tf.concat([tf.shape(description[PRESENCE]), tf.shape(sprites)[1:]], axis=0)
        return {"sprites": tf.reshape(sprites, shape)}

    @override
    def geometry(
        self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Boxes around what objects show, and the affine maps of sprites to the canvas."""
        flat = _flatten_objects(description)
        to_canvas = _with_pose(_placement(flat, height, width), self.pose(flat)).to_pixels(height, width)
        linear, offset = to_canvas.linear[:, ::-1, ::-1], to_canvas.offset[:, ::-1]  # y before x.
        where = tf.concat([linear, offset[..., None]], axis=-1)
        where = tf.reshape(where, tf.concat([tf.shape(description[PRESENCE]), [2, 3]], axis=0))
        boxes = super().geometry(description, height, width)
        return {**boxes, **only_present(description[PRESENCE], {WHERE: where})}

    def _to_training_size(self, images: tf.Tensor) -> tf.Tensor:
        if tuple(images.shape[1:3]) == self._image_size:
            return images
        resized = tf.image.resize(images, self._image_size, antialias=True)
        same = tf.reduce_all(tf.equal(tf.shape(images)[1:3], self._image_size))
        # Resizing to the same size would blur slightly.
        return tf.ensure_shape(tf.cond(same, lambda: images, lambda: resized), resized.shape)


def _offsets(count: int) -> tf.Tensor:
    """The first places of a grid of nine: the middle, the sides, the corners; float32 `[count, 2]`, from -1 to 1."""
    grid = sorted(itertools.product((0.0, -1.0, 1.0), repeat=2), key=lambda place: abs(place[0]) + abs(place[1]))
    return tf.constant(grid[:count])


def _draw_presence(logits: tf.Tensor, sampling: SamplingOptions) -> tuple[Optional[tf.Tensor], tf.Tensor]:
    """Draws a slot's presence given that earlier slots are present.

    Returns:
        Relaxed presence before the sigmoid, None if not relaxed; presence. `[batch]` each.
    """
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


def _flatten_objects(description: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The per-object fields of a description, with all scenes' slots in one axis: `[scenes * slots, ...]` each."""
    return {
        name: tf.reshape(value, tf.concat([[-1], tf.shape(value)[2:]], axis=0))
        for name, value in by_object(description).items()
    }


def _with_pose(placed: Affine, pose: Optional[Affine]) -> Affine:
    return placed if pose is None else placed.after(pose)


def _placement(description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor) -> Affine:
    """Scale and translation of described objects; absent ones, of size 0, get a small size to make it invertible."""
    image_size = tf.cast(tf.stack([height, width]), tf.float32)
    scale = tf.maximum(description[SIZES], 1e-3) / image_size
    translation = (description[LOCATIONS] + 0.5) * 2.0 / image_size - 1.0
    return scale_and_translation(scale[..., ::-1], translation[..., ::-1])
