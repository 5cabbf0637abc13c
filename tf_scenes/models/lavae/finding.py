"""The most likely objects of images, which scene descriptions hold; the ELBO samples from the posterior instead."""

import dataclasses
from typing import NamedTuple, Union

import tensorflow as tf
import tensorflow_probability as tfp

from tf_scenes.distributions.locations import uniform_log_prob_by_object
from tf_scenes.layers import gaussian
from tf_scenes.models.lavae.counting import count_local_maxima, highest_local_maxima
from tf_scenes.models.lavae.likelihood import BernoulliPixels, GaussianPixels
from tf_scenes.models.lavae.masks import label_images
from tf_scenes.models.lavae.merging import convex_unions
from tf_scenes.models.lavae.networks import AppearanceNetwork, LocationNetwork, PatchAppearanceNetwork
from tf_scenes.models.lavae.options import LavaeOptions
from tf_scenes.models.lavae.patches import in_patches, patches_at
from tf_scenes.models.lavae.placing import draw_sprites, offsets_of_mass
from tf_scenes.models.lavae.pruning import worth_their_cost
from tf_scenes.models.lavae.recentering import Surroundings, drawn_best
from tf_scenes.models.lavae.slots import among_all, compute_in_use
from tf_scenes.stack import keras

tfd = tfp.distributions

# Number of local maxima that are considered beyond twice the slots, if some are left out.
_SPARE_CANDIDATES = 64


class Objects(NamedTuple):
    """Objects of a batch of images.

    Attributes:
        centers: Pixel of each object, int32 `[batch, slots, 2]`, y then x.
        present: Whether there is one in each slot, bool `[batch, slots]`.
        appearance: Appearances, float32 `[batch, slots, D]`.
    """

    centers: tf.Tensor
    present: tf.Tensor
    appearance: tf.Tensor


@dataclasses.dataclass(frozen=True)
class ObjectFinder:
    """Finds the most likely objects with a model's networks.

    Attributes:
        options: Options of LAVAE.
        location_network: From images to location features L.
        appearance_network: From images and pixels to appearances.
        sprite_generator: From appearances to sprites.
        pixels: The distribution of pixels.
        count_threshold: Height above which a local maximum of L is considered, float32 scalar.
    """

    options: LavaeOptions
    location_network: LocationNetwork
    appearance_network: Union[AppearanceNetwork, PatchAppearanceNetwork]
    sprite_generator: keras.layers.Layer
    pixels: Union[BernoulliPixels, GaussianPixels]
    count_threshold: tf.Variable

    def find(self, images: tf.Tensor, contrast: tf.Tensor, max_objects: int) -> Objects:
        """Infers the most likely objects.

        Args:
            images: Prepared images, float32 `[batch, height, width, channels]`.
            contrast: The same without their background.
            max_objects: Number of slots.

        Returns:
            The objects, in the first of `max_objects` slots.
        """
        features, appearance_features = self.location_network(images), self.appearance_network(images)
        objects, sprites = self.maxima(images, images - contrast, features, appearance_features, max_objects)
        if self.options.faintest_object:
            objects = self._without_faint(objects, sprites)
        if self.options.merged_solidity < 1.0:
            objects, sprites = self._without_halves(contrast, appearance_features, objects, sprites)
        if self.options.explains_away:
            objects = self._seen_alone(images, images - contrast, objects, sprites)
        order = tf.argsort(tf.cast(objects.present, tf.int32), direction="DESCENDING", stable=True)[:, :max_objects]
        order = tf.ensure_shape(order, [None, max_objects])
        return Objects(*(tf.gather(values, order, batch_dims=1) for values in objects))

    def maxima(
        self, images: tf.Tensor, empty: tf.Tensor, features: tf.Tensor, appearance_features: tf.Tensor, slots: int
    ) -> tuple[Objects, tf.Tensor]:
        """The highest local maxima of L; with `prunes`, those are present whose drawing gains more than it costs.

        With `recenters`, they are first moved to the middle of what is drawn there.

        Args:
            images: Prepared images, float32 `[batch, height, width, channels]`.
            empty: Canvases without objects, of the same shape.
            features: Location features, float32 `[batch, height, width]`.
            appearance_features: Features that appearances are inferred from.
            slots: Number of objects that are wanted; there are more maxima if some of them may be left out.

        Returns:
            The objects, with their most likely appearances; and their sprites, float32
            `[batch, slots, h, w, channels]`.
        """
        options, most = self.options, slots
        heights = features, options.tested_window or options.count_window, self.count_threshold
        if options.prunes or options.faintest_object or options.merged_solidity < 1.0:
            # What is left out must not take the slots of other objects; memory is bounded all the same.
            most = tf.reduce_max(count_local_maxima(*heights))
            most = tf.clip_by_value(most, slots, 2 * slots + _SPARE_CANDIDATES)
        centers, present = highest_local_maxima(*heights, most)
        posterior = self.appearance_network.posterior_at(appearance_features, centers, present)
        sprites = self.sprites(present, posterior.mean())
        if options.recenters:
            # Before the test: two maxima of one object are then drawn at the same place, and the second gains nothing.
            before, centers = centers, self._recentered(images, centers, sprites)
            moved = present & tf.reduce_any(centers != before, axis=-1)
            there, sprites = self._seen_anew(appearance_features, centers, moved, sprites)
            posterior = _where(moved, there, posterior)
        if options.prunes:
            present = self.worth_drawing(images, empty, centers, present, posterior, sprites)
        return Objects(centers, present, posterior.mean()), sprites

    def sprites(self, present: tf.Tensor, appearance: tf.Tensor) -> tf.Tensor:
        """The sprites of present objects; absent ones, which take no time, have 0.

        Args:
            present: Whether there is an object in each slot, bool `[batch, slots]`.
            appearance: Appearances, float32 `[batch, slots, D]`.

        Returns:
            Sprites, float32 `[batch, slots, h, w, channels]`.
        """
        slots, sprites = compute_in_use(self.sprite_generator, present, appearance)
        return among_all(slots, sprites, tf.shape(present))

    def worth_drawing(
        self,
        images: tf.Tensor,
        empty: tf.Tensor,
        centers: tf.Tensor,
        present: tf.Tensor,
        posterior: tfd.Distribution,
        sprites: tf.Tensor,
    ) -> tf.Tensor:
        """Which objects raise the log-likelihood by more than their KL terms.

        Args:
            images: Prepared images, float32 `[batch, height, width, channels]`.
            empty: Canvases without objects, of the same shape.
            centers: Pixels of the objects, int32 `[batch, slots, 2]`, y then x.
            present: Whether there is an object in each slot, bool `[batch, slots]`.
            posterior: The posterior of their appearances, with batch shape `[batch, slots]`.
            sprites: The sprites of its means, float32 `[batch, slots, h, w, channels]`.

        Returns:
            Whether there still is one, bool `[batch, slots]`.
        """
        log_prior = uniform_log_prob_by_object(tf.shape(present)[1], tf.reduce_prod(tf.shape(images)[1:3]))
        prior = gaussian.standard(self.options.latent_dim)
        costs = tfd.kl_divergence(posterior, prior) - log_prior
        return worth_their_cost(images, empty, centers, present, sprites, costs, self.pixels.log_prob)

    def _seen_anew(
        self, appearance_features: tf.Tensor, centers: tf.Tensor, moved: tf.Tensor, sprites: tf.Tensor
    ) -> tuple[tfd.Distribution, tf.Tensor]:
        """The appearances of objects that were moved, where they are now; and the sprites of all."""
        posterior = self.appearance_network.posterior_at(appearance_features, centers, moved)
        there = self.sprites(moved, posterior.mean())
        return posterior, tf.where(moved[..., None, None, None], there, sprites)

    def _seen_alone(self, images: tf.Tensor, empty: tf.Tensor, objects: Objects, sprites: tf.Tensor) -> Objects:
        """The same objects, inferred from patches without what other objects' sprites show there.

        With `recenters`, objects whose middle lies between pixels are moved to the one at which they are drawn best.
        """

        def infer(patches: tf.Tensor) -> tf.Tensor:
            return self.appearance_network.posterior_of(patches).mean()

        def see(*around: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            if self.options.recenters:
                networks = infer, self.sprite_generator, self.pixels.log_prob
                return drawn_best(Surroundings(*around), *networks, self.options.centering_power)
            seen = around[0][:, 1:-1, 1:-1]
            return tf.zeros([tf.shape(seen)[0], 2], tf.int32), infer(seen)

        around = self._surroundings(images, empty, objects, sprites)
        slots, (steps, appearance) = compute_in_use(see, objects.present, *around)
        return objects._replace(
            centers=tf.tensor_scatter_nd_add(objects.centers, slots, steps),
            appearance=tf.tensor_scatter_nd_update(objects.appearance, slots, appearance),
        )

    def _without_faint(self, objects: Objects, sprites: tf.Tensor) -> Objects:
        """Leaves out objects whose sprite's peak is below `faintest_object`."""
        bright = tf.reduce_max(sprites, axis=[2, 3, 4]) >= self.options.faintest_object
        return objects._replace(present=objects.present & bright)

    def _without_halves(
        self, contrast: tf.Tensor, appearance_features: tf.Tensor, objects: Objects, sprites: tf.Tensor
    ) -> tuple[Objects, tf.Tensor]:
        """Takes two adjoining objects as one, in their middle, if their union is more solid than `merged_solidity`."""
        slots = tf.where(objects.present)
        count = tf.shape(slots)[0]
        labels = label_images(
            contrast,
            scenes=tf.cast(slots[:, 0], tf.int32),
            labels=1 + tf.range(count),
            centers=tf.gather_nd(objects.centers, slots),
            sprites=tf.gather_nd(sprites, slots),
            outline_level=self.options.outline_level,
        )
        merges = convex_unions(labels, count, self.options.generated_size, self.options.merged_solidity)
        kept, dropped = (tf.gather(slots, labels - 1) for labels in (merges.kept, merges.dropped))
        centers = tf.tensor_scatter_nd_update(objects.centers, kept, merges.centers)
        present = tf.tensor_scatter_nd_update(objects.present, dropped, tf.zeros_like(merges.dropped, tf.bool))
        moved = present & among_all(kept, tf.ones_like(merges.kept, tf.bool), tf.shape(present))
        posterior, sprites = self._seen_anew(appearance_features, centers, moved, sprites)
        appearance = tf.where(moved[..., None], posterior.mean(), objects.appearance)
        return Objects(centers, present, appearance), sprites

    def _recentered(self, images: tf.Tensor, centers: tf.Tensor, sprites: tf.Tensor) -> tf.Tensor:
        """The pixels nearest to the centres of mass of sprites in all slots, as `Objects.centers`."""
        offsets = offsets_of_mass(sprites, self.options.centering_power)
        return tf.clip_by_value(centers + tf.cast(tf.round(offsets), tf.int32), 0, tf.shape(images)[1:3] - 1)

    def _surroundings(self, images: tf.Tensor, empty: tf.Tensor, objects: Objects, sprites: tf.Tensor) -> Surroundings:
        """What is around the object in each slot: fields `[batch, slots, ...]`."""
        centers, side = objects.centers, self.appearance_network.side + 2
        slots = tf.where(objects.present)
        sprites = tf.gather_nd(sprites, slots)
        batch, height, width = tf.unstack(tf.shape(images)[:3])
        scenes = tf.cast(slots[:, 0], tf.int32)
        canvas = draw_sprites(scenes, tf.gather_nd(centers, slots), sprites, batch, height, width)
        inside = patches_at(tf.ones_like(images[..., :1]), centers, side)
        own = among_all(slots, in_patches(sprites, side), tf.shape(objects.present)) * inside
        seen = tf.maximum(patches_at(images - canvas, centers, side) + own, 0.0)
        return Surroundings(seen, patches_at(empty, centers, side), inside)


def _where(condition: tf.Tensor, first: tfd.Distribution, second: tfd.Distribution) -> tfd.Distribution:
    """The first of two diagonal normal distributions where a condition holds, `[batch, slots]`, else the second."""
    condition = condition[..., None]
    mean = tf.where(condition, first.mean(), second.mean())
    stddev = tf.where(condition, first.stddev(), second.stddev())
    return tfd.Independent(tfd.Normal(mean, stddev), reinterpreted_batch_ndims=1)
