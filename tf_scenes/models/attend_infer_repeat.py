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

from tf_scenes.distributions.counts import CountPrior
from tf_scenes.distributions.presence import (
    geometric_presence,
    presence_logits_of_counts,
    relaxed_presence_logits,
)
from tf_scenes.layers.affine import Affine, scale_and_translation
from tf_scenes.layers.attention import Localization, Refinement, Where
from tf_scenes.layers.boxes import boxes_of_corners
from tf_scenes.layers.presence_baseline import PresenceBaseline
from tf_scenes.layers.spatial_transformer import SpatialTransformer
from tf_scenes.models.object_inference import Attention, Draw, Inference, Object, Step, scale_gradient
from tf_scenes.models.scene_model import SceneModel, TrainingLoss, elbo
from tf_scenes.schedules import Schedule

tfd = tfp.distributions

# A uniform number of objects up to 3 has probabilities of 1/4; below this a count is as good as impossible.
_LEAST_COUNT_PROBABILITY = 1e-6
# Points of a sprite, x then y.
_CORNERS = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))
_BASE = ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0))


class AttendInferRepeat(SceneModel):
    """Base of AIR and Discrete-AIR: the loop. A subclass says what an object is."""

    def __init__(
        self,
        localization: Localization,
        refinement: Optional[Refinement],
        attention: Attention,
        glimpse_size: int,
        image_size: tuple[int, int],
        pixel_stddev: float,
        continue_probability: Schedule,
        presence_credit: Schedule,
        presence_temperature: float,
        estimator: str,
        prunes: bool,
        max_objects: int,
        max_inferred_objects: int,
        seed: int,
        name: str,
    ):
        """Creates what both models have.

        Args:
            localization: the recurrent network.
            refinement: the second look, or None.
            attention: what z_where is.
            glimpse_size: side of a glimpse, pixels.
            image_size: height and width of training images; others are scaled to it for inference.
            pixel_stddev: sigma_x of equation 2.
            continue_probability: of the geometric prior of training, by step.
            presence_credit: factor of what NVIL credits presence with, by step. Not in the paper: sprites that are
                still wrong cost more than drawing nothing, so that at 1 from the start all objects end at once.
            presence_temperature: of the relaxed presence.
            estimator: of presence's gradient: `relaxed` or `nvil`.
            prunes: whether `encode` leaves out objects that gain less log-likelihood than they cost.
            max_objects: see `SceneModel`.
            max_inferred_objects: see `SceneModel`.
            seed: see `SceneModel`.
            name: of the model.
        """
        super().__init__(seed, max_objects, max_inferred_objects, name=name)
        self.localization = localization
        self.refinement = refinement
        self.attention = attention
        self.transformer = SpatialTransformer(glimpse_size, name="spatial_transformer")
        self.count_prior = CountPrior(max_objects, name="count_prior")
        self.baseline = PresenceBaseline(name="baseline") if estimator == "nvil" else None
        self._image_size = image_size
        self._pixel_stddev = pixel_stddev
        self._continue_probability = continue_probability
        self._presence_credit = presence_credit
        self._presence_temperature = presence_temperature
        self._prunes = prunes

    # What a subclass defines.

    @abc.abstractmethod
    def infer_object(self, glimpses: tf.Tensor, draw: Draw) -> Object:
        """What glimpses show.

        Args:
            glimpses: float32 `[batch, size, size, channels]`.
            draw: how latents are drawn.
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
        """Of `Object.features`."""

    def training_draw(self, step: tf.Tensor, seed: tf.Tensor) -> Draw:
        """How latents are drawn in training."""
        temperature = self._presence_temperature if self.baseline is None else None
        return Draw(seed, presence_temperature=temperature)

    def own_loss(
        self, inference: Inference, step: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """What the model adds to the negative ELBO, `[batch]`, and scalars worth a curve."""
        return tf.zeros_like(inference.steps[0].presence), {}

    # The loop.

    def build_layers(self, images: tf.Tensor, seed: tf.Tensor) -> None:
        """See `SceneModel.build_layers`."""
        own_size = self._to_own_size(images)
        inference = self.infer(own_size, 1, Draw(seed))
        if self.baseline is not None:
            self.baseline(own_size, inference.steps[0].state, 0)

    def infer(self, images: tf.Tensor, num_steps: int, draw: Draw) -> Inference:
        """Looks for one object after another.

        Args:
            images: float32 `[batch, height, width, channels]` of the size that the model is for.
            num_steps: most objects.
            draw: how latents are drawn.
        """
        batch = tf.shape(images)[0]
        canvas, presence = tf.zeros_like(images), tf.ones([batch])
        state = self.localization.initial_state(batch)
        latents = tf.zeros([batch, 1 + self.attention.dimensions + self.num_features])
        steps = []
        for number in range(num_steps):
            logits, guess, state = self.localization(images - canvas, latents, state)
            step_draw = draw.salted(number)
            relaxed_logits, present = _draw_presence(logits, step_draw)
            posterior = self._where_posterior(images, guess, draw.core_ops_only)
            drawn_where = step_draw.latent(posterior, self.attention.prior(), salt=101)
            where = drawn_where.value
            placed = scale_and_translation(*self.attention.scale_and_translation(where))
            glimpses = self.transformer.read(images, placed, draw.core_ops_only)
            found = self.infer_object(glimpses, step_draw)
            found.drawn.setdefault("kl_where", []).append(drawn_where)
            before, presence = presence, presence * present
            drawn = self._write(
                scale_gradient(found.sprite, draw.sprite_gradient),
                placed,
                found.pose,
                *self._image_size,
                draw.core_ops_only,
            )
            canvas += presence[:, None, None, None] * drawn
            latents = tf.concat([presence[:, None], where, found.features], axis=-1)
            output = tf.cast(state[0], tf.float32)
            steps.append(Step(logits, relaxed_logits, before, presence, where, output, found, drawn))
        return Inference(canvas, steps)

    def _where_posterior(self, images: tf.Tensor, guess: Where, core_ops_only: bool) -> tfd.Normal:
        guess = guess._replace(mean=guess.mean + self.attention.prior_mean())
        if self.refinement is not None:
            scale, translation = self.attention.scale_and_translation(guess.mean)
            scale = self.attention.surroundings * scale
            glimpses = self.transformer.read(images, scale_and_translation(scale, translation), core_ops_only)
            guess = self.refinement(glimpses, guess, scale)
        return tfd.Normal(guess.mean, tf.exp(guess.log_stddev))

    def _write(
        self,
        sprites: tf.Tensor,
        placed: Affine,
        pose: Optional[Affine],
        height: tf.Tensor,
        width: tf.Tensor,
        core_ops_only: bool,
    ) -> tf.Tensor:
        return self.transformer.write(sprites, _posed(placed, pose), height, width, core_ops_only)

    # The ELBO.

    def training_loss(self, images: tf.Tensor, step: tf.Tensor, seed: tf.Tensor) -> TrainingLoss:
        """See `SceneModel.training_loss`: the negative ELBO (equation 9) under the annealed prior of presence."""
        own_seed = tf.random.experimental.stateless_fold_in(seed, 1_000)
        inference = self.infer(images, self.max_objects, self.training_draw(step, seed))
        continue_probability = self._continue_probability(step)
        prior_logits = geometric_presence(continue_probability, self.max_objects).logits
        terms = self._elbo_terms(images, inference, prior_logits)
        own, scalars = self.own_loss(inference, step, own_seed)
        # The prior of the number of objects is fitted to what is inferred; training itself uses the geometric one.
        counts = tf.cast(tf.round(_num_present(inference)), tf.int32)
        fit = -self.count_prior.for_range(None).log_prob(counts)
        loss = -elbo(terms) + own + fit
        if self.baseline is not None:
            loss += self._presence_surrogate(images, inference, terms, prior_logits, self._presence_credit(step))
        scalars = {
            **scalars,
            "inferred_count": tf.reduce_mean(_num_present(inference)),
            "continue_probability": continue_probability,
        }
        return TrainingLoss(loss, terms, scalars)

    def elbo_terms(
        self,
        images: tf.Tensor,
        seed: tf.Tensor,
        max_objects: Optional[int] = None,
        sampled_kl: bool = False,
        features: tuple[tf.Tensor, ...] = (),
    ) -> dict[str, tf.Tensor]:
        """See `SceneModel.elbo_terms`; the prior of counts is the fitted one, not training's geometric one."""
        images, num_steps = self._to_own_size(images), max_objects or self.max_objects
        inference = self.infer(images, num_steps, Draw(seed))
        probabilities = self.count_prior.for_range(max_objects).probs_parameter()
        prior_logits = presence_logits_of_counts(tf.maximum(probabilities, _LEAST_COUNT_PROBABILITY))
        return self._elbo_terms(images, inference, prior_logits, sampled_kl)

    def _elbo_terms(
        self, images: tf.Tensor, inference: Inference, prior_logits: tf.Tensor, sampled_kl: bool = False
    ) -> dict[str, tf.Tensor]:
        terms = {
            "reconstruction": self._log_likelihood(images, inference.canvas),
            "kl_count": tf.add_n(self._presence_kl(inference, prior_logits, sampled_kl)),
        }
        kls = [step.kl(sampled_kl) for step in inference.steps]
        for name in kls[0]:
            terms[name] = tf.add_n([step.presence * kl[name] for step, kl in zip(inference.steps, kls)])
        return terms

    def _log_likelihood(self, images: tf.Tensor, canvas: tf.Tensor) -> tf.Tensor:
        """Of Gaussian pixels, equation 2: `[batch]`, nats."""
        return tf.reduce_sum(tfd.Normal(canvas, self._pixel_stddev).log_prob(images), axis=[1, 2, 3])

    def _presence_kl(self, inference: Inference, prior_logits: tf.Tensor, sampled: bool = False) -> list[tf.Tensor]:
        """KL of each step's presence given all before, weighted by theirs: `[batch]` each.

        Exact where presence is 0 or 1, unless it is to be that of the sample; a Monte-Carlo estimate of the relaxed
        densities' where it is relaxed.
        """
        kls = []
        for step, prior_logit in zip(inference.steps, tf.unstack(prior_logits)):
            logits = (step.presence_logits, prior_logit)
            if step.relaxed_logits is not None:
                posterior, prior = (relaxed_presence_logits(each, self._presence_temperature) for each in logits)
                kl = posterior.log_prob(step.relaxed_logits) - prior.log_prob(step.relaxed_logits)
            else:
                posterior, prior = (tfd.Bernoulli(each, dtype=tf.float32) for each in logits)
                exact = posterior.kl_divergence(prior)
                kl = posterior.log_prob(step.presence) - prior.log_prob(step.presence) if sampled else exact
            kls.append(step.presence_before * kl)
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

        A presence is credited with the reconstruction and with the KL terms of its own step and those after it. What
        NVIL does beyond a baseline, dividing by the advantages' standard deviation, is left out: the KL of presence has
        its exact gradient beside this one, and undivided it would outweigh hundreds of nats and end all objects.
        """
        presence_kl = self._presence_kl(inference, prior_logits)
        costs = [
            presence_kl[number] + step.presence * tf.add_n(list(step.kl().values()))
            for number, step in enumerate(inference.steps)
        ]
        surrogate = 0.0
        for number, step in enumerate(inference.steps):
            cost = tf.stop_gradient(tf.add_n(costs[number:]) - terms["reconstruction"])
            baseline = self.baseline(images, tf.stop_gradient(step.state), number)
            present = tf.stop_gradient(step.presence)
            log_probability = tfd.Bernoulli(step.presence_logits, dtype=tf.float32).log_prob(present)
            advantage = tf.stop_gradient(cost - baseline)
            before = tf.stop_gradient(step.presence_before)
            surrogate += before * (credit * advantage * log_probability + self.baseline.loss(cost, baseline))
        return surrogate

    # Descriptions.

    def encode(
        self, images: tf.Tensor, max_objects: Optional[int] = None, seed: Optional[tf.Tensor] = None
    ) -> dict[str, tf.Tensor]:
        """See `SceneModel.encode`; the model's own images' size, others are scaled to it.

        Returns:
            `num_objects`, `presence`, `locations` (middles of the glimpses), `sizes` (height and width of the glimpses,
            float32 `[batch, max_objects, 2]`, pixels), and what the model knows of an object.
        """
        shape, images = tf.shape(images), self._to_own_size(images)
        inference = self.infer(
            images,
            max_objects or self.max_inferred_objects,
            Draw(seed, core_ops_only=True),
        )
        presence = self._worth_their_cost(images, inference) if self._prunes else _presence(inference)
        where = tf.stack([step.where for step in inference.steps], axis=1)
        latents = {
            name: tf.stack([step.object.latents[name] for step in inference.steps], axis=1)
            for name in inference.steps[0].object.latents
        }
        # Objects that are present come first.
        order = tf.argsort(presence, direction="DESCENDING", stable=True)
        presence, where = (tf.gather(values, order, batch_dims=1) for values in (presence, where))
        latents = {name: tf.gather(values, order, batch_dims=1) for name, values in latents.items()}
        return self._description(presence, where, latents, shape[1], shape[2])

    def _worth_their_cost(self, images: tf.Tensor, inference: Inference) -> tf.Tensor:
        """Presence of the objects that gain more log-likelihood than they cost, given those before: `[batch, steps]`.

        Not in the paper. A step that finds nothing cannot say so: presence that is 0 once ends the sequence, so that a
        model with objects still to come passes by making its object tiny. That is no object.
        """
        canvas, kept = tf.zeros_like(images), []
        for step in inference.steps:
            with_object = canvas + step.drawn
            gain = self._log_likelihood(images, with_object) - self._log_likelihood(images, canvas)
            worth = (step.presence > 0.5) & (gain > tf.add_n(list(step.kl().values())))
            canvas = tf.where(worth[:, None, None, None], with_object, canvas)
            kept.append(tf.cast(worth, tf.float32))
        return tf.stack(kept, axis=1)

    def _description(
        self,
        presence: tf.Tensor,
        where: tf.Tensor,
        latents: Mapping[str, tf.Tensor],
        height: tf.Tensor,
        width: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """What is not present is 0."""
        image_size = tf.cast(tf.stack([height, width]), tf.float32)
        scale, translation = self.attention.scale_and_translation(where)
        values = {
            "locations": (translation[..., ::-1] + 1.0) * image_size / 2.0 - 0.5,
            "sizes": scale[..., ::-1] * image_size,
            **latents,
        }
        description = {"num_objects": tf.cast(tf.reduce_sum(presence, axis=1), tf.int32), "presence": presence}
        for name, value in values.items():
            mask = tf.reshape(presence, tf.concat([tf.shape(presence), tf.ones([tf.rank(value) - 2], tf.int32)], 0))
            description[name] = value * tf.cast(mask, value.dtype)
        return description

    def decode(self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """See `SceneModel.decode`."""
        scenes, slots = tf.unstack(tf.shape(description["presence"]))
        flat = _object_by_object(description)
        placed = _placed(flat, height, width)
        drawn = self._write(self.draw_object(flat), placed, self.pose(flat), height, width, core_ops_only=True)
        drawn *= flat["presence"][:, None, None, None]
        # Where an object is absent, its size is 0: nothing of it may reach the sum, not even a NaN.
        drawn = tf.where(flat["presence"][:, None, None, None] > 0.0, drawn, 0.0)
        scenes_of_objects = tf.reshape(drawn, tf.concat([[scenes, slots], tf.shape(drawn)[1:]], axis=0))
        return tf.clip_by_value(tf.reduce_sum(scenes_of_objects, axis=1), 0.0, 1.0)

    def sample_description(
        self, num_scenes: int, height: int, width: int, seed: tf.Tensor, max_objects: Optional[int] = None
    ) -> dict[str, tf.Tensor]:
        """See `SceneModel.sample_description`."""
        count_seed, where_seed, latent_seed = tfp.random.split_seed(seed, n=3, salt="prior")
        slots = self.max_objects if max_objects is None else max_objects
        counts = self.count_prior.for_range(max_objects).sample(num_scenes, seed=count_seed)
        where = self.attention.prior().sample([num_scenes, slots], seed=where_seed)
        latents = {
            name: tf.reshape(value, tf.concat([[num_scenes, slots], tf.shape(value)[1:]], axis=0))
            for name, value in self.sample_latents(num_scenes * slots, latent_seed).items()
        }
        presence = tf.sequence_mask(counts, slots, tf.float32)
        return self._description(presence, where, latents, tf.constant(height), tf.constant(width))

    def views(self, images: tf.Tensor, description: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """See `SceneModel.views`; `outlines` are the glimpses' corners."""
        sprites = self.draw_object(_object_by_object(description))
        shape = tf.concat([tf.shape(description["presence"]), tf.shape(sprites)[1:]], axis=0)
        outlines = self._on_canvas(_CORNERS, description, tf.shape(images)[1], tf.shape(images)[2])
        return {"sprites": tf.reshape(sprites, shape), "outlines": outlines}

    def geometry(
        self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """See `SceneModel.geometry`; boxes are around the glimpses."""
        boxes = boxes_of_corners(self._on_canvas(_CORNERS, description, height, width), height, width)
        # The images of a map's unit vectors and of the origin are its columns.
        right, down, middle = tf.unstack(self._on_canvas(_BASE, description, height, width), axis=2)
        where = tf.stack([down - middle, right - middle, middle], axis=-1)
        presence = description["presence"]
        return {"boxes": boxes * presence[..., None], "where": where * presence[..., None, None]}

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
        return tf.reshape(placed, tf.concat([tf.shape(description["presence"]), [len(points), 2]], axis=0))

    def _to_own_size(self, images: tf.Tensor) -> tf.Tensor:
        if tuple(images.shape[1:3]) == self._image_size:
            return images
        resized = tf.image.resize(images, self._image_size, antialias=True)
        same = tf.reduce_all(tf.equal(tf.shape(images)[1:3], self._image_size))
        # Resizing to the same size would smooth a little.
        return tf.ensure_shape(tf.cond(same, lambda: images, lambda: resized), resized.shape)


def _draw_presence(logits: tf.Tensor, draw: Draw) -> tuple[Optional[tf.Tensor], tf.Tensor]:
    """This step's relaxed presence before its sigmoid, if relaxed, and its presence given all before: `[batch]`."""
    if draw.seed is None:
        return None, tf.cast(logits > 0.0, tf.float32)
    seed = draw.salted(100).seed
    if draw.presence_temperature is None:
        return None, tfd.Bernoulli(logits, dtype=tf.float32).sample(seed=seed)
    relaxed = relaxed_presence_logits(logits, draw.presence_temperature).sample(seed=seed)
    return relaxed, tf.sigmoid(relaxed)


def _presence(inference: Inference) -> tf.Tensor:
    return tf.stack([step.presence for step in inference.steps], axis=1)


def _num_present(inference: Inference) -> tf.Tensor:
    return tf.reduce_sum(_presence(inference), axis=1)


def _object_by_object(description: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """A description's objects in one row: name to `[scenes * slots, ...]`."""
    return {
        name: tf.reshape(value, tf.concat([[-1], tf.shape(value)[2:]], axis=0))
        for name, value in description.items()
        if name != "num_objects"
    }


def _posed(placed: Affine, pose: Optional[Affine]) -> Affine:
    return placed if pose is None else placed.after(pose)


def _placed(description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor) -> Affine:
    """Scale and translation from pixels; what has no size gets one that can be inverted."""
    image_size = tf.cast(tf.stack([height, width]), tf.float32)
    scale = tf.maximum(description["sizes"], 1e-3) / image_size
    translation = (description["locations"] + 0.5) * 2.0 / image_size - 1.0
    return scale_and_translation(scale[..., ::-1], translation[..., ::-1])
