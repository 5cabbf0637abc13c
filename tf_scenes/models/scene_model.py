"""The interface of every model: from images to scene descriptions and back, the ELBO, optimisers."""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Optional, Union

import tensorflow as tf
from typing_extensions import override

from tf_scenes.descriptions import BOXES, NUM_OBJECTS
from tf_scenes.models.single_objects import boxes_of_objects, masks_of_objects
from tf_scenes.stack import keras
from tf_scenes.training import optimizers
from tf_scenes.training.options import TrainingOptions
from tf_scenes.training.trainable_model import Batch, TrainableModel, TrainingLoss, elbo

# Height or width of a canvas in pixels, an integer or scalar int32.
Side = Union[int, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class SceneSpec:
    """Properties of the scenes that a model is built for.

    Attributes:
        image_shape: Height, width and channels of the training images.
        max_objects: Maximum number of objects that the model may find in a training image.
        max_inferred_objects: Maximum number of objects that `SceneModel.encode` finds in an image by default; may
            exceed `max_objects`.
        seed: Seed of all random draws in training.
    """

    image_shape: tuple[int, int, int]
    max_objects: int
    max_inferred_objects: int
    seed: int = 0


class SceneModel(TrainableModel):
    """Base class of all models.

    A subclass defines
    - `encode` and `decode`: how an image becomes a scene description, and how a description becomes an image;
    - `elbo_terms` and `training_loss`: the ELBO, and what is minimised in training;
    - `sample_description`: scenes from the prior;
    - `views`: what figures show beside images.

    `geometry` and `masks` say where objects are in the image. By default they draw each object alone; a subclass that
    knows a faster or a better way overrides them.

    Descriptions are dictionaries whose field names are declared in `tf_scenes.descriptions`; exported models use the
    same names. The step, its precision and its variables are Keras's side, which every model inherits from
    `TrainableModel`, so that a model is an ordinary Keras model with `compile`, `build` and `fit`.
    """

    def __init__(self, scenes: SceneSpec, name: Optional[str] = None):
        """Creates the model.

        Args:
            scenes: Scenes that the model is for.
            name: Name of the model.
        """
        super().__init__(scenes.seed, name=name)
        self.max_objects = scenes.max_objects
        self.max_inferred_objects = scenes.max_inferred_objects

    # Properties.

    @property
    def finds_objects(self) -> bool:
        """Whether the model's descriptions say how many objects there are and where; the VAE's do not."""
        return True

    @property
    def fits_appearances(self) -> bool:
        """Whether a distribution fitted after training takes the prior's place where scenes are drawn."""
        return False

    @property
    def num_categories(self) -> int:
        """Number of categories of objects; 0 for models without categories."""
        return 0

    @property
    def num_attributes(self) -> int:
        """Number of dimensions of an object's attributes; 0 for models without attributes."""
        return 0

    # Images to descriptions and back.

    @abc.abstractmethod
    def encode(
        self, images: tf.Tensor, max_objects: Optional[int] = None, seed: Optional[tf.Tensor] = None
    ) -> dict[str, tf.Tensor]:
        """Infers the most likely scene description of each image, or draws one from the posterior.

        Args:
            images: Images, float32 `[batch, height, width, channels]` in [0, 1], of any height and width.
            max_objects: Maximum number of objects to find, and the number of slots to which descriptions are padded;
                `max_inferred_objects` by default.
            seed: Random seed of a draw from the posterior, int32 `[2]`; None for the most likely description.

        Returns:
            Scene descriptions. Those of models that find objects have at least `num_objects`, int32 `[batch]`,
            `presence`, float32 `[batch, max_objects]` (0 or 1), and `locations`, float32 `[batch, max_objects, 2]`, y
            then x in pixels.
        """

    def candidate_categories(self, images: tf.Tensor) -> Optional[tf.Tensor]:
        """The categories by each of several ways to tell them, of which training chooses one; None if there are none.

        Args:
            images: Images of the training size, float32 `[batch, height, width, channels]`.

        Returns:
            Categories, int32 `[batch, slots, candidates]`, -1 where there is no object.
        """
        return None

    @abc.abstractmethod
    def decode(self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """Draws scene descriptions.

        Args:
            description: Scene descriptions as returned by `encode`; fields derived from others are not needed.
            height: Height of the canvas in pixels, scalar int32.
            width: Width of the canvas in pixels, scalar int32.

        Returns:
            Pixel means, float32 `[batch, height, width, channels]` in [0, 1].
        """

    @override
    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Reconstructs images: float32 `[batch, height, width, channels]` in [0, 1] -> the same shape and range."""
        height, width = tf.unstack(tf.shape(images)[1:3])
        return self.decode(self.encode(images), height, width)

    def geometry(
        self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Positions of objects in the image, derived from descriptions; empty for models that do not find objects.

        Args:
            description: Scene descriptions as returned by `encode`.
            height: Height of the canvas in pixels, scalar int32.
            width: Width of the canvas in pixels, scalar int32.

        Returns:
            For models that find objects `boxes`, float32 `[batch, max_objects, 4]`: ymin, xmin, ymax and xmax as
            fractions of the canvas, within [0, 1], around what each object shows above half of its own peak. For models
            that pose sprites also `where`, float32 `[batch, max_objects, 2, 3]`: the affine map from (y, x, 1), with y
            and x from -1 to 1 within a sprite, to y and x on the canvas in pixels. All values of absent objects are 0.
        """
        return {BOXES: boxes_of_objects(self.decode, description, height, width)} if self.finds_objects else {}

    def masks(self, images: tf.Tensor, description: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Says which object each pixel belongs to.

        By default an object is drawn alone, and a pixel belongs to the object that shows most there relative to its own
        peak, if that is above half of the peak.

        Args:
            images: Images, float32 `[batch, height, width, channels]` in [0, 1].
            description: Descriptions of these images as returned by `encode`.

        Returns:
            Masks, int32 `[batch, height, width]`: 0 for the background, i + 1 for the object of slot i.

        Raises:
            NotImplementedError: If the model does not find objects.
        """
        if not self.finds_objects:
            raise NotImplementedError(f"{type(self).__name__} does not find objects, so it has no masks")
        height, width = tf.unstack(tf.shape(images)[1:3])
        return masks_of_objects(self.decode, description, height, width)

    @abc.abstractmethod
    def views(self, images: tf.Tensor, description: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """What figures show of an inference besides images and reconstructions.

        Args:
            images: Images, float32 `[batch, height, width, channels]` in [0, 1].
            description: Descriptions of these images as returned by `encode`.

        Returns:
            `sprites`, float32 `[batch, max_objects, h, w, channels]`, if the model finds objects; `features`, float32
            `[batch, height, width]`, if it has location features.
        """

    # The ELBO.

    @abc.abstractmethod
    def elbo_terms(
        self,
        images: tf.Tensor,
        seed: tf.Tensor,
        max_objects: Optional[int] = None,
        sampled_kl: bool = False,
        features: tuple[tf.Tensor, ...] = (),
    ) -> dict[str, tf.Tensor]:
        """One Monte Carlo sample of the ELBO's terms, from the exact posterior without any relaxation.

        Args:
            images: Images as `prepare` returns them, float32 `[batch, height, width, channels]`.
            seed: Random seed, int32 `[2]`.
            max_objects: Maximum number of objects that the posterior may find and the prior allows; as in training by
                default.
            sampled_kl: Whether each KL term is log q - log p at the sample itself, so that the `elbo` of the terms is
                the log of an importance weight; otherwise KL terms are exact where, given earlier draws, they have a
                closed form.
            features: Result of `inference_features` for these images, if already computed.

        Returns:
            Terms by name, `reconstruction` and the KL terms, each float32 `[batch]` in nats.
        """

    def inference_features(self, images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The part of inference that does not depend on random draws, which many samples can share; may be empty.

        Args:
            images: Images as `prepare` returns them, float32 `[batch, height, width, channels]`.
        """
        return ()

    @abc.abstractmethod
    def sample_description(
        self,
        num_scenes: int,
        height: Side,
        width: Side,
        seed: tf.Tensor,
        max_objects: Optional[int] = None,
        from_prior: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Draws scene descriptions from the prior, with appearances from what was fitted in its place, if anything.

        Args:
            num_scenes: Number of scenes.
            height: Height of the canvas in pixels, an integer or scalar int32.
            width: Width of the canvas in pixels, an integer or scalar int32.
            seed: Random seed, int32 `[2]`.
            max_objects: Maximum number of objects, where all numbers from 0 on are equally likely; None for numbers of
                objects from the learned prior.
            from_prior: Whether appearances are from the prior even if the model `fits_appearances`.

        Returns:
            Scene descriptions, with the fields that `encode` returns.
        """

    def why_not_a_density(self, binary_images: bool) -> Optional[str]:
        """Why the ELBO does not bound log p(x) of certain images; None where it does.

        Args:
            binary_images: Whether all values of the images are 0 or 1.

        Returns:
            A clause for the user, without a full stop.
        """
        return None

    # Training.

    @abc.abstractmethod
    @override
    def training_loss(self, images: tf.Tensor, step: tf.Tensor, seed: tf.Tensor) -> TrainingLoss:
        """The loss of one batch, most often the negative ELBO; see `TrainableModel.training_loss`."""

    def make_optimizers(self, options: TrainingOptions) -> dict[str, keras.optimizers.Optimizer]:
        """Creates an optimiser for each of `variable_groups`: Adam, unless the model's paper uses another.

        Args:
            options: Training options.
        """
        rate, clip_norm = optimizers.falling_rate(options), optimizers.clip_norm(options)
        return {optimizers.DEFAULT: optimizers.Adam(rate, global_clipnorm=clip_norm)}

    def variable_groups(self) -> dict[str, list[tf.Variable]]:
        """The trainable variables by group, each group with an optimiser of its own; `default` always exists."""
        return {optimizers.DEFAULT: self.trainable_variables}

    @override
    def held_out_measures(self, batch: Batch, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """The ELBO and its terms and, if the batch has `counts`, whether the inferred number of objects is correct."""
        terms = self.elbo_terms(self.prepare(batch), seed)
        measures = {"elbo": elbo(terms), **terms}
        if "counts" in batch and self.finds_objects:
            counts = self.encode(batch["images"])[NUM_OBJECTS]
            measures["count_accuracy"] = tf.cast(tf.equal(counts, batch["counts"]), tf.float32)
        return measures

    @property
    @override
    def measures_of_ground_truth(self) -> tuple[str, ...]:
        return ("count_accuracy",) if self.finds_objects else ()
