"""The contract: what every model says about scenes."""

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Optional

import tensorflow as tf
from typing_extensions import override

from tf_scenes.descriptions import NUM_OBJECTS
from tf_scenes.training import optimizers
from tf_scenes.training.options import TrainingOptions
from tf_scenes.training.trainable_model import Batch, TrainableModel, elbo

keras = tf.keras


@dataclasses.dataclass(frozen=True)
class SceneSpec:
    """What a model is told about the scenes that it is for.

    Attributes:
        image_shape: height, width and channels of training images.
        max_objects: most objects that the model explains a training image with.
        max_inferred_objects: most objects that `SceneModel.encode` finds in one image, unless it is called with another
            number; any number is possible, whatever the model was trained with.
        seed: of all random draws in training.
    """

    image_shape: tuple[int, int, int]
    max_objects: int
    max_inferred_objects: int
    seed: int = 0


class SceneModel(TrainableModel):
    """Base of all models.

    A subclass says what the training loss is (`TrainableModel.training_loss`), what the ELBO's terms are, how an image
    becomes a scene description and how that becomes an image. Descriptions are dictionaries whose names are declared in
    `tf_scenes.descriptions`, and are those of the exported models. How a model is trained by Keras stands in
    `TrainableModel`.
    """

    def __init__(self, scenes: SceneSpec, name: Optional[str] = None):
        """Creates the model.

        Args:
            scenes: that it is for.
            name: of the model.
        """
        super().__init__(scenes.seed, name=name)
        self.max_objects = scenes.max_objects
        self.max_inferred_objects = scenes.max_inferred_objects

    # What it is.

    @property
    def finds_objects(self) -> bool:
        """Whether descriptions say how many objects there are and where; the VAE's do not."""
        return True

    @property
    def num_categories(self) -> int:
        """How many categories objects fall into; 0 for models without."""
        return 0

    @property
    def num_attributes(self) -> int:
        """Dimensions of an object's attributes; 0 for models without."""
        return 0

    # Images to descriptions and back.

    @abc.abstractmethod
    def encode(
        self, images: tf.Tensor, max_objects: Optional[int] = None, seed: Optional[tf.Tensor] = None
    ) -> dict[str, tf.Tensor]:
        """The most likely scene description of each image, or one drawn from the posterior.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1], any height and width.
            max_objects: length to which descriptions are padded, and most objects that can be found;
                `max_inferred_objects` by default.
            seed: int32 `[2]` of the draw; without it nothing is random.

        Returns:
            Of models that find objects, at least `num_objects` int32 `[batch]`, `presence` float32
            `[batch, max_objects]` (0 or 1) and `locations` float32 `[batch, max_objects, 2]`, pixels, y then x.
        """

    @abc.abstractmethod
    def decode(self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """Draws scene descriptions.

        Args:
            description: what `encode` gives; fields that follow from others are not needed.
            height: of the canvas, pixels, scalar int32.
            width: of the canvas, pixels, scalar int32.

        Returns:
            Pixel means, float32 `[batch, height, width, channels]` in [0, 1].
        """

    @override
    def call(self, images: tf.Tensor) -> tf.Tensor:
        """The reconstruction of images: float32 `[batch, height, width, channels]` in [0, 1], the same out."""
        height, width = tf.unstack(tf.shape(images)[1:3])
        return self.decode(self.encode(images), height, width)

    def geometry(
        self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """What follows from a description, for those who draw on images; nothing where no objects are found.

        Args:
            description: what `encode` gives.
            height: of the canvas, pixels, scalar int32.
            width: of the canvas, pixels, scalar int32.

        Returns:
            Of models that find objects, `boxes`, float32 `[batch, max_objects, 4]`: ymin, xmin, ymax and xmax as shares
            of the canvas, within [0, 1]. Of those that pose sprites, `where`, float32 `[batch, max_objects, 2, 3]`: the
            affine map of (y, x, 1), each from -1 to 1 within a sprite, to y and x on the canvas, pixels. 0 where an
            object is absent.
        """
        return {}

    @abc.abstractmethod
    def views(self, images: tf.Tensor, description: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """What pictures of an inference show beside image and reconstruction.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
            description: what `encode` gave for them.

        Returns:
            Where the model finds objects, `sprites`, float32 `[batch, max_objects, h, w, channels]`; where it has
            location features, `features`, float32 `[batch, height, width]`; where it has oriented boxes, `outlines`,
            float32 `[batch, max_objects, 4, 2]`, their corners, pixels, y then x.
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
        """One Monte-Carlo sample of the ELBO's terms, from the exact posterior without any relaxation.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
            seed: int32 `[2]`.
            max_objects: most objects that the posterior may find, and the prior allows; as in training by default.
            sampled_kl: makes each KL term log q - log p at the sample itself, where otherwise what is known in closed
                form given the draws before it is taken; the terms' `elbo` is then the log of an importance weight.
            features: what `inference_features` gave for these images, if it is known already.

        Returns:
            `reconstruction` and the KL terms, float32 `[batch]`, nats per image.
        """

    def inference_features(self, images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """What inference computes from images before any draw; nothing, where all of it depends on draws."""
        return ()

    @abc.abstractmethod
    def sample_description(
        self, num_scenes: int, height: int, width: int, seed: tf.Tensor, max_objects: Optional[int] = None
    ) -> dict[str, tf.Tensor]:
        """Draws scene descriptions from the prior.

        Args:
            num_scenes: how many.
            height: of the canvas, pixels.
            width: of the canvas, pixels.
            seed: int32 `[2]`.
            max_objects: makes the count uniform on 0 to this; None takes the learned prior.

        Returns:
            What `encode` gives.
        """

    # Training.

    def make_optimizers(self, options: TrainingOptions) -> dict[str, keras.optimizers.Optimizer]:
        """The optimiser of each of `variable_groups`; Adam, unless the model's paper has another.

        Args:
            options: of training.
        """
        rate, clip_norm = optimizers.falling_rate(options), optimizers.clip_norm(options)
        return {optimizers.DEFAULT: optimizers.Adam(rate, global_clipnorm=clip_norm)}

    def variable_groups(self) -> dict[str, list[tf.Variable]]:
        """Trainable variables by the name of the optimiser that they belong to; `default` is always there."""
        return {optimizers.DEFAULT: self.trainable_variables}

    def group_apart(self, name: str, variables: Sequence[tf.Variable]) -> dict[str, list[tf.Variable]]:
        """`variable_groups` with some variables in a group of their own."""
        own = {variable.ref() for variable in variables}
        rest = [variable for variable in self.trainable_variables if variable.ref() not in own]
        return {optimizers.DEFAULT: rest, name: list(variables)}

    @override
    def held_out_measures(self, batch: Batch, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """The ELBO and its terms, and, where the batch has `counts`, the accuracy of the number of objects."""
        terms = self.elbo_terms(batch["images"], seed)
        measures = {"elbo": elbo(terms), **terms}
        if "counts" in batch and self.finds_objects:
            counts = self.encode(batch["images"])[NUM_OBJECTS]
            measures["count_accuracy"] = tf.cast(tf.equal(counts, batch["counts"]), tf.float32)
        return measures

    @property
    @override
    def measures_of_ground_truth(self) -> tuple[str, ...]:
        return ("count_accuracy",) if self.finds_objects else ()
