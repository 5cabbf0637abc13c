"""Discrete-AIR (section 3): an object is of a category, and has attributes, a rotation and a skew of its own."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import tensorflow as tf
import tensorflow_probability as tfp

from tf_scenes.distributions.categories import CategoryPosterior, kl_to_uniform
from tf_scenes.layers.affine import Affine, joint_rotation_and_skew, rotation, skew
from tf_scenes.layers.attention import glimpse_trunk
from tf_scenes.layers.invariance import ViewRange, mutual_information, random_views
from tf_scenes.layers.template_matching import TemplateMatching
from tf_scenes.layers.templates import TemplateDecoder
from tf_scenes.models.attend_infer_repeat import AttendInferRepeat
from tf_scenes.models.object_inference import Draw, Inference, Latent, Object, scale_gradient
from tf_scenes.schedules import Schedule, values_at

tfd = tfp.distributions

# A free matrix stays this close to the identity in each entry, so that its determinant stays positive.
_JOINT_LIMIT = 0.45
# Prior standard deviation of skew factors and of a free matrix's entries, before their tanh.
_DEFORMATION_STDDEV = 0.5
_ANGLE_STDDEV_LIMIT = 0.5
_BALANCE_RATE = 0.3
# Of the cross-entropy to the posterior of template matching, against the KL of the category, which it has to overcome.
_TEACHING_WEIGHT = 3.0


@dataclasses.dataclass(frozen=True)
class DiscreteAirSchedules:
    """What changes over the optimisation steps.

    Attributes:
        temperature: of relaxed categories.
        matching_noise: standard deviation of pixels in template matching: large values try everything, small ones
            choose.
        matching_weight: of template matching.
        invariance_weight: of invariant information clustering.
        sprite_gradient: see `Draw`; 0 leaves templates and categories to template matching.
        category_gradient: see `Draw`; 0 leaves categories to the two losses above.
    """

    temperature: Schedule
    matching_noise: Schedule
    matching_weight: Schedule
    invariance_weight: Schedule
    sprite_gradient: Schedule
    category_gradient: Schedule


class DiscreteAIR(AttendInferRepeat):
    """Discrete-AIR."""

    def __init__(
        self,
        decoder: TemplateDecoder,
        matching: TemplateMatching,
        encoder_units: int,
        pose: str,
        schedules: DiscreteAirSchedules,
        view_range: ViewRange,
        encoder_channels: Sequence[int],
        num_heads: int = 1,
        name: str = "discrete_air",
        **loop: Any,
    ):
        """Creates the model.

        Args:
            decoder: f_dec(z_cat, z_attr).
            matching: of glimpses with templates; its number of rotations is that of the angles inferred from.
            encoder_units: of the glimpse encoder.
            pose: which factors of equation 6 follow scale and translation, `none`, `rotation`, `rotation_and_skew` or
                `joint`, one free matrix.
            schedules: what changes over the steps.
            view_range: of the views for invariant information clustering.
            encoder_channels: of its convolutions, see `glimpse_trunk`.
            num_heads: how many clusterings are learned side by side; the one with most information is the category.
            name: of the model.
            **loop: see `AttendInferRepeat`.
        """
        super().__init__(name=name, **loop)
        self.decoder = decoder
        self.matching = matching
        self.encoder = glimpse_trunk(encoder_units, encoder_channels, normalize=True)
        self.category_posterior = CategoryPosterior(name="category_posterior")
        self._factors = pose
        self._schedules = schedules
        self._view_range = view_range
        self._num_heads = num_heads
        self._category_heads = _head(num_heads * decoder.num_categories, "categories")
        self._head_information = self.add_weight(
            name="head_information",
            shape=[num_heads],
            initializer="zeros",
            trainable=False,
            dtype=tf.float32,
            aggregation=tf.VariableAggregation.MEAN,
        )
        if decoder.num_attributes:
            self._attribute_head = _head(2 * decoder.num_attributes, "attributes")
        if self._rotates:
            self._rotation_head = _head(decoder.num_categories * matching.num_rotations, "rotations")
            self._angle_head = _head(decoder.num_categories + 1, "angles")
        if self._num_deformations:
            self._deformation_head = _head(2 * self._num_deformations, "deformations")

    @property
    def num_categories(self) -> int:
        """See `SceneModel.num_categories`."""
        return self.decoder.num_categories

    @property
    def num_attributes(self) -> int:
        """See `SceneModel.num_attributes`."""
        return self.decoder.num_attributes

    def variable_groups(self) -> dict[str, list[tf.Variable]]:
        """The decoder has a learning rate of its own."""
        return self.group_apart("decoder", self.decoder.trainable_variables)

    @property
    def _rotates(self) -> bool:
        return self._factors in ("rotation", "rotation_and_skew")

    @property
    def _num_deformations(self) -> int:
        return {"rotation_and_skew": 2, "joint": 4}.get(self._factors, 0)

    @property
    def num_features(self) -> int:
        """See `AttendInferRepeat.num_features`."""
        return self.decoder.num_categories + self.decoder.num_attributes + 2 * self._rotates + self._num_deformations

    def training_draw(self, step: tf.Tensor, seed: tf.Tensor) -> Draw:
        """See `AttendInferRepeat.training_draw`."""
        draw = super().training_draw(step, seed)
        return dataclasses.replace(
            draw,
            category_temperature=self._schedules.temperature(step),
            sprite_gradient=self._schedules.sprite_gradient(step),
            category_gradient=self._schedules.category_gradient(step),
        )

    def infer_object(self, glimpses: tf.Tensor, draw: Draw) -> Object:
        """See `AttendInferRepeat.infer_object`."""
        features = self.encoder(glimpses)
        logits = tf.gather(self._all_category_logits(features), tf.argmax(self._head_information), axis=1)
        category = self._draw_category(logits, draw)
        latents = {"category": tf.argmax(category.value, axis=-1, output_type=tf.int32)}
        drawn = {"kl_category": [category], "kl_where": []}
        told, evidence = [category.value], {"glimpses": glimpses, "category_logits": logits}
        if self._rotates:
            angle, evidence["rotation_logits"] = self._draw_angle(features, category.value, draw)
            latents["angles"] = angle.value
            told += [tf.cos(angle.value)[:, None], tf.sin(angle.value)[:, None]]
            drawn["kl_where"].append(angle)
        if self._num_deformations:
            posterior, prior = _normal(self._deformation_head(features)), tfd.Normal(0.0, _DEFORMATION_STDDEV)
            deformation = draw.latent(posterior, prior, salt=105)
            latents["deformations"] = deformation.value
            told.append(deformation.value)
            drawn["kl_where"].append(deformation)
        attributes = tf.zeros([tf.shape(glimpses)[0], 0])
        if self.decoder.num_attributes:
            attribute = draw.latent(_normal(self._attribute_head(features)), tfd.Normal(0.0, 1.0), salt=106)
            latents["attributes"] = attributes = attribute.value
            told.append(attributes)
            drawn["kl_attributes"] = [attribute]
        sprite = self.decoder(scale_gradient(category.value, draw.category_gradient), attributes)
        return Object(latents, tf.concat(told, axis=-1), sprite, self.pose(latents), drawn, evidence)

    def _all_category_logits(self, features: tf.Tensor) -> tf.Tensor:
        """float32 `[batch, heads, categories]`."""
        return tf.reshape(self._category_heads(features), [-1, self._num_heads, self.decoder.num_categories])

    def _draw_category(self, logits: tf.Tensor, draw: Draw) -> Latent:
        if draw.seed is None:
            value = tf.one_hot(tf.argmax(logits, axis=-1), self.num_categories)
        else:
            value = self.category_posterior(logits, draw.category_temperature).sample(seed=draw.salted(103).seed)
        log_posterior = tf.reduce_sum(value * tf.nn.log_softmax(logits), axis=-1)
        return Latent(value, kl_to_uniform(logits), sampled_kl=log_posterior + math.log(self.num_categories))

    def _draw_angle(self, features: tf.Tensor, categories: tf.Tensor, draw: Draw) -> tuple[Latent, tf.Tensor]:
        """The angle given the category, under a uniform prior on the circle, and the logits of all rotations.

        A departure from the paper, which has the angle before the glimpse: it is the most likely one of the angles of
        template matching, and an offset of up to half the distance between two.
        """
        shape = [-1, self.decoder.num_categories, self.matching.num_rotations]
        rotation_logits = tf.reshape(self._rotation_head(features), shape)
        raw = self._angle_head(features)
        spacing = 2.0 * math.pi / self.matching.num_rotations
        offsets = tf.tanh(raw[:, :-1]) * spacing / 2.0
        angles = tf.gather(self.matching.angles(), tf.argmax(rotation_logits, axis=-1)) + offsets  # [batch, categories]
        mean = tf.math.atan2(
            tf.reduce_sum(categories * tf.sin(angles), axis=-1), tf.reduce_sum(categories * tf.cos(angles), axis=-1)
        )
        posterior = tfd.Normal(mean, _ANGLE_STDDEV_LIMIT * tf.sigmoid(raw[:, -1] - 2.0))
        angle, log_circle = draw.gaussian(posterior, salt=104), math.log(2.0 * math.pi)
        # So narrow a normal distribution loses nothing when it is wrapped around the circle.
        return Latent(angle, log_circle - posterior.entropy(), posterior.log_prob(angle) + log_circle), rotation_logits

    def pose(self, latents: Mapping[str, tf.Tensor]) -> Optional[Affine]:
        """See `AttendInferRepeat.pose`: T_r T_k of equation 6, or both as one."""
        if self._factors == "none":
            return None
        if self._factors == "joint":
            change = _JOINT_LIMIT * tf.tanh(tf.reshape(latents["deformations"], [-1, 2, 2]))
            return joint_rotation_and_skew(tf.eye(2) + change)
        turned = rotation(tf.stack([tf.cos(latents["angles"]), tf.sin(latents["angles"])], axis=-1))
        return turned if self._factors == "rotation" else turned.after(skew(tf.tanh(latents["deformations"])))

    def draw_object(self, latents: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """See `AttendInferRepeat.draw_object`."""
        categories = tf.one_hot(latents["category"], self.decoder.num_categories)
        attributes = latents.get("attributes", tf.zeros([tf.shape(categories)[0], 0]))
        return self.decoder(categories, attributes)

    def sample_latents(self, num_objects: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `AttendInferRepeat.sample_latents`."""
        seeds = tfp.random.split_seed(seed, n=4, salt="latents")
        most = self.decoder.num_categories
        latents = {"category": tf.random.stateless_uniform([num_objects], seeds[0], 0, most, tf.int32)}
        if self._rotates:
            latents["angles"] = tf.random.stateless_uniform([num_objects], seeds[1], -math.pi, math.pi)
        if self._num_deformations:
            shape = [num_objects, self._num_deformations]
            latents["deformations"] = tf.random.stateless_normal(shape, seeds[2], 0.0, _DEFORMATION_STDDEV)
        if self.decoder.num_attributes:
            latents["attributes"] = tf.random.stateless_normal([num_objects, self.decoder.num_attributes], seeds[3])
        return latents

    # What makes categories reliable.

    def own_loss(
        self, inference: Inference, step: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Template matching and invariance, on the objects that are present."""
        schedules = values_at(self._schedules, step)
        steps = inference.steps
        weights = tf.stop_gradient(tf.concat([each.presence for each in steps], axis=0))
        evidence = {
            name: tf.concat([each.object.evidence[name] for each in steps], 0) for name in steps[0].object.evidence
        }
        glimpses = tf.stop_gradient(evidence["glimpses"])
        weight = schedules["matching_weight"]
        matching, use = tf.cond(
            weight > 0.0,
            lambda: self._matching_loss(glimpses, evidence, weights, schedules["matching_noise"], seed),
            lambda: (tf.zeros_like(weights), tf.zeros([self.num_categories])),
        )
        self.matching.balance(use, _BALANCE_RATE)
        information = tf.cond(
            schedules["invariance_weight"] > 0.0,
            lambda: self._information(glimpses, weights, seed),
            lambda: tf.zeros([self._num_heads]),
        )
        # Once the categories are in use they stay those of one head.
        choosing = tf.cast(schedules["category_gradient"] < 1.0, tf.float32)
        self._head_information.assign_add(0.02 * choosing * (information - self._head_information))
        total = tf.reduce_sum(tf.reshape(weight * weights * matching, [len(steps), -1]), axis=0)
        total -= schedules["invariance_weight"] * tf.reduce_sum(information)
        return total, {**schedules, "category_information": tf.reduce_max(information)}

    def _matching_loss(
        self,
        glimpses: tf.Tensor,
        evidence: Mapping[str, tf.Tensor],
        weights: tf.Tensor,
        noise: tf.Tensor,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Negative likelihood of the templates' mixture, with the networks' cross-entropy to its posterior.

        Returns:
            float32 `[objects]`, and each category's share of use, float32 `[categories]`.
        """
        bank = self.matching.bank(self.decoder.templates())
        match = self.matching.match(glimpses, bank, noise)
        categories, rotations = tf.stop_gradient(match.categories), tf.stop_gradient(match.rotations)
        is_object = tf.stop_gradient(match.object_probability)
        shares = weights * is_object
        use = tf.linalg.matvec(categories, shares, transpose_a=True) / (tf.reduce_sum(shares) + 1e-6)
        cross_entropy = tf.nn.softmax_cross_entropy_with_logits(categories, evidence["category_logits"])
        if self._rotates:
            by_category = tf.nn.softmax_cross_entropy_with_logits(rotations, evidence["rotation_logits"])
            cross_entropy += tf.reduce_mean(by_category, axis=-1)
        loss = match.sampled_loss(seed + 2) / (2.0 * self._pixel_stddev**2) + _TEACHING_WEIGHT * cross_entropy
        return is_object * loss, use

    def _information(self, glimpses: tf.Tensor, weights: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Mutual information of the categories of two random views of each glimpse: `[heads]`, nats."""
        views = [random_views(glimpses, self._view_range, seed + number) for number in range(2)]
        logits = self._all_category_logits(self.encoder(tf.concat(views, axis=0)))
        first, second = tf.split(tf.nn.softmax(logits), 2)
        return mutual_information(first, second, weights)


def _head(units: int, name: str) -> tf.keras.layers.Dense:
    return tf.keras.layers.Dense(units, dtype="float32", name=name)


def _normal(parameters: tf.Tensor) -> tfd.Normal:
    mean, raw_stddev = tf.split(parameters, 2, axis=-1)
    return tfd.Normal(mean, tf.nn.softplus(raw_stddev) + 1e-4)
