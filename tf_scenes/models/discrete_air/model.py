"""Discrete-AIR (section 3): each object has a category and, depending on the options, attributes, rotation and skew."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp
from typing_extensions import override

from tf_scenes.descriptions import ANGLES, ATTRIBUTES, CATEGORY, DEFORMATIONS
from tf_scenes.distributions.categories import CategoryPosterior, kl_to_uniform
from tf_scenes.layers import gaussian
from tf_scenes.layers.affine import Affine, joint_rotation_and_skew, rotation, skew
from tf_scenes.models.air.attention import glimpse_trunk
from tf_scenes.models.air.loop import AttendInferRepeat
from tf_scenes.models.air.options import AttentionOptions
from tf_scenes.models.air.slots import Inference, Latent, Object, Pose, SamplingOptions, scale_gradient
from tf_scenes.models.discrete_air.attributes import CategoryNormalization
from tf_scenes.models.discrete_air.clustering import CategoryClustering
from tf_scenes.models.discrete_air.invariance import ViewRange, mutual_information
from tf_scenes.models.discrete_air.options import DiscreteAirOptions
from tf_scenes.models.discrete_air.schedules import DiscreteAirSchedules
from tf_scenes.models.discrete_air.template_matching import TemplateMatching
from tf_scenes.models.discrete_air.templates import TemplateDecoder
from tf_scenes.models.scene_model import SceneSpec
from tf_scenes.stack import keras
from tf_scenes.training import optimizers
from tf_scenes.training.options import TrainingOptions
from tf_scenes.training.schedules import values_at

tfd = tfp.distributions

# The variable groups of the decoder, which has a learning rate of its own, and of clustering.
DECODER, CLUSTERING = "decoder", "clustering"
_ENCODER_CHANNELS = (32, 64)
# Largest difference between an entry of the `joint` pose's matrix and the identity's; keeps the determinant positive.
_JOINT_LIMIT = 0.45
# Prior standard deviation of skew factors and of the `joint` pose's matrix entries, before their tanh.
_DEFORMATION_STDDEV = 0.5
# Upper limit of the angle's posterior standard deviation, radians.
_ANGLE_STDDEV_LIMIT = 0.5
# Rate at which template matching's log-prior is moved towards balanced categories.
_BALANCE_RATE = 0.3
# Weight of the cross-entropy to categories of template matching or clustering; it has to overcome the category's KL.
_TEACHING_WEIGHT = 3.0


class DiscreteAIR(AttendInferRepeat):
    """Attend-Infer-Repeat whose objects have discrete categories."""

    def __init__(
        self,
        attention: AttentionOptions,
        options: DiscreteAirOptions,
        scenes: SceneSpec,
        name: str = "discrete_air",
    ):
        """Creates the model.

        Args:
            attention: Options of the loop over objects.
            options: Options of Discrete-AIR.
            scenes: Scenes that the model is for.
            name: Name of the model.
        """
        num_pose_parameters = options.num_pose_parameters if options.pose_from == "attention" else 0
        super().__init__(attention, scenes, name, num_pose_parameters)
        self.options = options
        self.decoder = TemplateDecoder(
            num_categories=options.num_categories,
            num_attributes=options.num_attributes,
            glimpse_size=attention.glimpse_size,
            channels=scenes.image_shape[-1],
            combination=options.combination,
            by_category=options.attributes_by_category,
            units=attention.decoder_units,
            name="decoder",
        )
        num_rotations = options.num_rotations if options.rotates else 1
        self.matching = TemplateMatching(options.num_categories, num_rotations, attention.glimpse_size, name="matching")
        channels = _ENCODER_CHANNELS if attention.convolutional else ()
        self.encoder = glimpse_trunk(attention.encoder_units, channels, normalize=True)
        self.category_posterior = CategoryPosterior(name="category_posterior")
        self._schedules = DiscreteAirSchedules.from_options(options)
        self.clustering = None
        if options.invariance_weight:
            self.clustering = CategoryClustering(
                options.num_categories,
                options.num_fine_categories or options.num_categories,
                options.invariance_heads,
                attention.encoder_units,
                ViewRange(rotation=math.radians(options.view_rotation)),
                name="clustering",
            )
        self._category_head = _dense_head(options.num_categories, "categories")
        if options.num_attributes:
            self._attribute_head = _dense_head(2 * options.num_attributes, "attributes")
        self.attribute_normalization = None
        if options.num_attributes and options.normalize_attributes:
            self.attribute_normalization = CategoryNormalization(
                options.num_categories, options.num_attributes, name="attribute_normalization"
            )
        if options.matches_rotations:
            self._rotation_head = _dense_head(options.num_categories * num_rotations, "rotations")
            self._angle_head = _dense_head(options.num_categories + 1, "angles")
        if options.pose_from == "glimpse" and options.num_pose_parameters:
            self._pose_head = _dense_head(options.num_pose_parameters, "pose")

    @property
    @override
    def num_categories(self) -> int:
        return self.options.num_categories

    @property
    @override
    def num_attributes(self) -> int:
        return self.options.num_attributes

    @override
    def variable_groups(self) -> dict[str, list[tf.Variable]]:
        """The decoder's variables are a group of their own, with their own learning rate, and so are categories'."""
        groups = optimizers.group_apart(self.trainable_variables, DECODER, self.decoder.trainable_variables)
        if self.clustering is None:
            return groups
        variables = groups.pop(optimizers.DEFAULT)
        return {**groups, **optimizers.group_apart(variables, CLUSTERING, self.clustering.trainable_variables)}

    @override
    def make_optimizers(self, options: TrainingOptions) -> dict[str, keras.optimizers.Optimizer]:
        """Creates Adam for all groups; clustering's gradients are not clipped, nor do they add to others' norm."""
        rate = optimizers.falling_rate(options, self.options.decoder_learning_rate_factor)
        decoder = optimizers.Adam(rate, global_clipnorm=optimizers.clip_norm(options), name="decoder_adam")
        groups = {**super().make_optimizers(options), DECODER: decoder}
        if self.clustering is not None:
            groups[CLUSTERING] = optimizers.Adam(optimizers.falling_rate(options), name="clustering_adam")
        return groups

    @property
    @override
    def num_features(self) -> int:
        direction = 2 * self.options.rotates
        return self.num_categories + self.num_attributes + direction + self.options.num_deformations

    @override
    def training_sampling(self, step: tf.Tensor, seed: tf.Tensor) -> SamplingOptions:
        return dataclasses.replace(
            super().training_sampling(step, seed),
            category_temperature=self._schedules.temperature(step),
            sprite_gradient=self._schedules.sprite_gradient(step),
            category_gradient=self._schedules.category_gradient(step),
        )

    @override
    def build_training_layers(self, images: tf.Tensor, seed: tf.Tensor) -> None:
        super().build_training_layers(images, seed)
        if self.clustering is not None:
            size = self.attention_options.glimpse_size
            self.clustering.candidates(tf.zeros([1, size, size, images.shape[-1]]))

    @override
    def infer_object(self, glimpses: tf.Tensor, sampling: SamplingOptions, pose: Optional[Pose] = None) -> Object:
        encoded = self.encoder(glimpses)
        logits = self._category_head(encoded)
        category = self._draw_category(logits, sampling)
        if pose is None:
            pose = self._pose_from_glimpse(encoded, category.value, sampling)
        latents = {CATEGORY: tf.argmax(category.value, axis=-1, output_type=tf.int32), **pose.latents}
        draws = {"kl_category": [category], "kl_where": pose.draws}
        features = [category.value, *pose.features]
        attributes, loss_inputs = tf.zeros([tf.shape(glimpses)[0], 0]), {}
        if self.num_attributes:
            posterior, loss_inputs = self._attribute_posterior(encoded, category.value)
            attribute = sampling.latent(posterior, tfd.Normal(0.0, 1.0), "attributes")
            latents[ATTRIBUTES] = attributes = attribute.value
            features.append(attributes)
            draws["kl_attributes"] = [attribute]
        return Object(
            latents=latents,
            features=tf.concat(features, axis=-1),
            sprite=self.decoder(scale_gradient(category.value, sampling.category_gradient), attributes),
            draws=draws,
            loss_inputs={"glimpses": glimpses, "category_logits": logits, **loss_inputs, **pose.loss_inputs},
        )

    def _attribute_posterior(
        self, encoded: tf.Tensor, categories: tf.Tensor
    ) -> tuple[tfd.Normal, dict[str, tf.Tensor]]:
        """The posterior of attributes, and what its normalisation learns from."""
        posterior = gaussian.from_softplus(self._attribute_head(encoded))
        if self.attribute_normalization is None:
            return posterior, {}
        means = posterior.mean()
        normalized = tfd.Normal(self.attribute_normalization(means, categories), posterior.stddev())
        return normalized, {"attribute_means": means, "categories": categories}

    def _pose_from_glimpse(self, encoded: tf.Tensor, categories: tf.Tensor, sampling: SamplingOptions) -> Pose:
        """Draws rotation and skew given the category."""
        parameters = self._pose_head(encoded) if self.options.num_pose_parameters else None
        if not self.options.matches_rotations:
            return self.draw_pose(parameters, sampling)
        angle, rotation_logits = self._draw_matched_angle(encoded, categories, sampling)
        return self._pose_of(angle, parameters, sampling)._replace(loss_inputs={"rotation_logits": rotation_logits})

    @override
    def draw_pose(self, parameters: tf.Tensor, sampling: SamplingOptions) -> Pose:
        """Draws rotation and skew; the mean angle is that of a vector, so that it has a gradient everywhere."""
        if not self.options.rotates:
            return self._pose_of(None, parameters, sampling)
        direction, raw_stddev, others = tf.split(parameters, [2, 1, 2 * self.options.num_deformations], axis=-1)
        # At first all angles are near 0.
        mean = tf.math.atan2(direction[:, 1], direction[:, 0] + 1.0)
        return self._pose_of(_angle_latent(mean, raw_stddev[:, 0], sampling), others, sampling)

    def _pose_of(self, angle: Optional[Latent], parameters: tf.Tensor, sampling: SamplingOptions) -> Pose:
        """A pose of this angle, if there is one, and of deformations drawn from a posterior of these parameters."""
        pose = Pose(latents={}, features=[], draws=[], loss_inputs={})
        if angle is not None:
            pose.latents[ANGLES] = angle.value
            pose.features.extend([tf.cos(angle.value)[:, None], tf.sin(angle.value)[:, None]])
            pose.draws.append(angle)
        if self.options.num_deformations:
            posterior = gaussian.from_softplus(parameters)
            deformation = sampling.latent(posterior, tfd.Normal(0.0, _DEFORMATION_STDDEV), "deformations")
            pose.latents[DEFORMATIONS] = deformation.value
            pose.features.append(deformation.value)
            pose.draws.append(deformation)
        return pose

    def _draw_category(self, logits: tf.Tensor, sampling: SamplingOptions) -> Latent:
        if sampling.seed is None:
            value = tf.one_hot(tf.argmax(logits, axis=-1), self.num_categories)
        else:
            posterior = self.category_posterior(logits, sampling.category_temperature)
            value = posterior.sample(seed=sampling.seed_of("category"))
        log_posterior = tf.reduce_sum(value * tf.nn.log_softmax(logits), axis=-1)
        kl = scale_gradient(kl_to_uniform(logits), sampling.category_gradient)
        return Latent(value, kl, sampled_kl=log_posterior + math.log(self.num_categories))

    def _draw_matched_angle(
        self, encoded: tf.Tensor, categories: tf.Tensor, sampling: SamplingOptions
    ) -> tuple[Latent, tf.Tensor]:
        """Draws the angle given the category, under a uniform prior on the circle.

        A departure from the paper, where the angle precedes the glimpse. The posterior's mean is the most likely angle
        of template matching plus an offset of up to half the spacing of these angles.

        Returns:
            The angle; the logits of all angles of template matching, `[batch, categories, rotations]`.
        """
        shape = [-1, self.num_categories, self.matching.num_rotations]
        rotation_logits = tf.reshape(self._rotation_head(encoded), shape)
        raw = self._angle_head(encoded)
        spacing = 2.0 * math.pi / self.matching.num_rotations
        offsets = tf.tanh(raw[:, :-1]) * spacing / 2.0
        angles = tf.gather(self.matching.angles(), tf.argmax(rotation_logits, axis=-1)) + offsets  # [batch, categories]
        mean = tf.math.atan2(
            tf.reduce_sum(categories * tf.sin(angles), axis=-1), tf.reduce_sum(categories * tf.cos(angles), axis=-1)
        )
        return _angle_latent(mean, raw[:, -1], sampling), rotation_logits

    @override
    def pose(self, latents: Mapping[str, tf.Tensor]) -> Optional[Affine]:
        """T_r T_k of equation 6, or with `joint` one matrix for both."""
        if self.options.pose == "none":
            return None
        if self.options.pose == "joint":
            change = _JOINT_LIMIT * tf.tanh(tf.reshape(latents[DEFORMATIONS], [-1, 2, 2]))
            return joint_rotation_and_skew(tf.eye(2) + change)
        turned = rotation(tf.stack([tf.cos(latents[ANGLES]), tf.sin(latents[ANGLES])], axis=-1))
        return turned if self.options.pose == "rotation" else turned.after(skew(tf.tanh(latents[DEFORMATIONS])))

    @override
    def draw_object(self, latents: Mapping[str, tf.Tensor]) -> tf.Tensor:
        categories = tf.one_hot(latents[CATEGORY], self.num_categories)
        attributes = latents.get(ATTRIBUTES, tf.zeros([tf.shape(categories)[0], 0]))
        return self.decoder(categories, attributes)

    @override
    def sample_latents(self, num_objects: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        seeds = tfp.random.split_seed(seed, n=4, salt="latents")
        latents = {CATEGORY: tf.random.stateless_uniform([num_objects], seeds[0], 0, self.num_categories, tf.int32)}
        if self.options.rotates:
            latents[ANGLES] = tf.random.stateless_uniform([num_objects], seeds[1], -math.pi, math.pi)
        if self.options.num_deformations:
            shape = [num_objects, self.options.num_deformations]
            latents[DEFORMATIONS] = tf.random.stateless_normal(shape, seeds[2], 0.0, _DEFORMATION_STDDEV)
        if self.num_attributes:
            latents[ATTRIBUTES] = tf.random.stateless_normal([num_objects, self.num_attributes], seeds[3])
        return latents

    # Auxiliary losses, which make categories reliable.

    @override
    def auxiliary_loss(
        self, inference: Inference, step: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Losses of template matching and invariant information clustering on the objects that are present.

        Also updates what is learned from them without a gradient.
        """
        matching_seed, *view_seeds = tfp.random.split_seed(seed, n=3, salt="auxiliary_loss")
        schedules = values_at(self._schedules, step)
        slots = inference.slots
        weights = tf.stop_gradient(tf.concat([slot.presence for slot in slots], axis=0))
        loss_inputs = {
            name: tf.concat([slot.object.loss_inputs[name] for slot in slots], axis=0)
            for name in slots[0].object.loss_inputs
        }
        if self.attribute_normalization is not None:
            self.attribute_normalization.update(loss_inputs["attribute_means"], loss_inputs["categories"], weights)
        glimpses = tf.stop_gradient(loss_inputs["glimpses"])
        total = tf.zeros_like(slots[0].presence)
        if self.options.matching_weight:
            weight = schedules["matching_weight"]
            matching, use = tf.cond(
                weight > 0.0,
                lambda: self._matching_loss(glimpses, loss_inputs, weights, schedules["matching_noise"], matching_seed),
                lambda: (tf.zeros_like(weights), tf.zeros([self.num_categories])),
            )
            self.matching.balance(use, _BALANCE_RATE)
            total += tf.reduce_sum(tf.reshape(weight * weights * matching, [len(slots), -1]), axis=0)
        if self.clustering is None:
            return total, schedules
        is_object = weights > 0.5
        clusters = (step >= self.options.invariance_first_step) & tf.reduce_any(is_object)
        learns = clusters & (step <= self.options.merging_step)
        joint = tf.cond(
            learns,
            lambda: self.clustering.joint(tf.boolean_mask(glimpses, is_object), view_seeds),
            lambda: self.clustering.running_joint,
        )
        self.clustering.follow(joint)
        self.clustering.merge(tf.equal(step, self.options.merging_step))
        information = tf.cast(learns, tf.float32) * mutual_information(joint)
        cross_entropy = tf.cond(
            clusters,
            lambda: self._clustered_cross_entropy(glimpses, loss_inputs["category_logits"], is_object),
            lambda: tf.zeros_like(weights),
        )
        total -= self.options.invariance_weight * tf.reduce_sum(information)
        total += _TEACHING_WEIGHT * tf.reduce_sum(tf.reshape(cross_entropy, [len(slots), -1]), axis=0)
        kept = tf.unstack(mutual_information(self.clustering.running_joint))
        heads = {f"category_information_{head}": value for head, value in enumerate(kept)}
        return total, {**schedules, **heads}

    def _clustered_cross_entropy(
        self, glimpses: tf.Tensor, category_logits: tf.Tensor, is_object: tf.Tensor
    ) -> tf.Tensor:
        """Cross-entropy of categories to those of the clustering, `[objects]`; 0 where there is no object."""
        categories = self.clustering(tf.boolean_mask(glimpses, is_object))
        cross_entropy = tf.nn.softmax_cross_entropy_with_logits(categories, tf.boolean_mask(category_logits, is_object))
        return tf.scatter_nd(tf.where(is_object), cross_entropy, tf.shape(is_object, tf.int64))

    @override
    def candidate_categories(self, images: tf.Tensor) -> Optional[tf.Tensor]:
        """The categories by each clustering, as if it were merged and chosen now."""
        if self.clustering is None:
            return None
        slots = self.infer(images, self.max_inferred_objects, SamplingOptions()).slots
        present = tf.concat([slot.presence for slot in slots], axis=0) > 0.5
        glimpses = tf.concat([slot.object.loss_inputs["glimpses"] for slot in slots], axis=0)
        heads = self.options.invariance_heads
        found = tf.cond(  # [objects, heads]
            tf.reduce_any(present),  # Batch statistics need an object.
            lambda: self.clustering.candidates(tf.boolean_mask(glimpses, present)),
            lambda: tf.zeros([0, heads], tf.int32),
        )
        shape = [tf.shape(glimpses)[0], heads]
        categories = tf.scatter_nd(tf.cast(tf.where(present), tf.int32), found + 1, shape) - 1
        return tf.stack(tf.split(categories, len(slots)), axis=1)  # [batch, slots, heads]

    def _matching_loss(
        self,
        glimpses: tf.Tensor,
        loss_inputs: Mapping[str, tf.Tensor],
        weights: tf.Tensor,
        noise: tf.Tensor,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Negative log-likelihood of the mixture of templates, plus the networks' cross-entropy to its posterior.

        Returns:
            The loss of each object, float32 `[objects]`; each category's share of the objects, float32 `[categories]`.
        """
        bank = self.matching.bank(self.decoder.templates())
        match = self.matching.match(glimpses, bank, noise)
        categories, rotations = tf.stop_gradient(match.categories), tf.stop_gradient(match.rotations)
        is_object = tf.stop_gradient(match.object_probability)
        shares = weights * is_object
        use = tf.linalg.matvec(categories, shares, transpose_a=True) / (tf.reduce_sum(shares) + 1e-6)
        cross_entropy = tf.nn.softmax_cross_entropy_with_logits(categories, loss_inputs["category_logits"])
        if self.options.rotates:
            by_category = tf.nn.softmax_cross_entropy_with_logits(rotations, loss_inputs["rotation_logits"])
            cross_entropy += tf.reduce_mean(by_category, axis=-1)
        loss = (
            match.sampled_loss(seed) / (2.0 * self.attention_options.pixel_stddev**2) + _TEACHING_WEIGHT * cross_entropy
        )
        return is_object * loss, use


def _angle_latent(mean: tf.Tensor, raw_stddev: tf.Tensor, sampling: SamplingOptions) -> Latent:
    """Draws an angle from a normal distribution of that mean under a uniform prior on the circle."""
    posterior = tfd.Normal(mean, _ANGLE_STDDEV_LIMIT * tf.sigmoid(raw_stddev - 2.0))
    angle, log_circle = sampling.gaussian(posterior, "angle"), math.log(2.0 * math.pi)
    # The normal distribution is so narrow that wrapping it around the circle would change nothing.
    return Latent(angle, log_circle - posterior.entropy(), posterior.log_prob(angle) + log_circle)


def _dense_head(units: int, name: str) -> keras.layers.Dense:
    return keras.layers.Dense(units, dtype="float32", name=name)
