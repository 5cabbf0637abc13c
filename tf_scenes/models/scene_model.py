"""What all models share: the ELBO and its terms, the training and test steps, encoding and decoding."""

import abc
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Optional

import numpy as np
import tensorflow as tf

keras = tf.keras

# From a batch to the means of its scalars.
_Step = Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]]


class TrainingLoss(NamedTuple):
    """What a model's training step minimises and reports.

    Attributes:
        per_image: float32 `[batch]`, what is minimised.
        elbo_terms: name to float32 `[batch]`, nats per image: `reconstruction` and the KL terms.
        scalars: name to float32 scalar, further quantities worth a curve.
    """

    per_image: tf.Tensor
    elbo_terms: Mapping[str, tf.Tensor]
    scalars: Mapping[str, tf.Tensor]


def elbo(terms: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """The evidence lower bound from its terms: the reconstruction's log-likelihood less every KL.

    Args:
        terms: `reconstruction`, and any number of KL terms, of one shape, in nats.

    Returns:
        A tensor of that shape, nats.
    """
    return terms["reconstruction"] - tf.add_n([value for name, value in terms.items() if name != "reconstruction"])


def as_arrays(description: Mapping[str, tf.Tensor]) -> dict[str, np.ndarray]:
    """A description's tensors as arrays of NumPy."""
    return {name: value.numpy() for name, value in description.items()}


class SceneModel(keras.Model, abc.ABC):
    """Base of all models.

    A subclass says what the training loss is, what the ELBO's terms are, how an image becomes a scene description and
    how that becomes an image. Descriptions are dictionaries whose names are those of the exported models.
    """

    def __init__(self, seed: int, max_objects: int, max_inferred_objects: int, name: Optional[str] = None):
        """Creates the model.

        Args:
            seed: of all random draws; those of a step are a function of the seed and the step's number.
            max_objects: most objects that the model explains a training image with.
            max_inferred_objects: most objects that `encode` finds in one image, unless it is called with another
                number; any number is possible, whatever the model was trained with.
            name: of the model.
        """
        super().__init__(name=name)
        self._seed = seed
        self.max_objects = max_objects
        self.max_inferred_objects = max_inferred_objects
        self._training_means: dict[str, keras.metrics.Mean] = {}
        self._test_means: dict[str, keras.metrics.Mean] = {}

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

    # What a subclass defines.

    @abc.abstractmethod
    def training_loss(self, images: tf.Tensor, step: tf.Tensor, seed: tf.Tensor) -> TrainingLoss:
        """The loss of one batch.

        Args:
            images: float32 `[batch, height, width, channels]` in [0, 1].
            step: int64 scalar, number of optimisation steps taken so far.
            seed: int32 `[2]`.
        """

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
        """What inference computes of images whatever it then draws; nothing, where all of it depends on draws."""
        return ()

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
    def decode(self, description: Mapping[str, tf.Tensor], height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """Draws scene descriptions.

        Args:
            description: what `encode` gives (`num_objects` is not needed).
            height: of the canvas, pixels, scalar int32.
            width: of the canvas, pixels, scalar int32.

        Returns:
            Pixel means, float32 `[batch, height, width, channels]` in [0, 1].
        """

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

    @abc.abstractmethod
    def build_layers(self, images: tf.Tensor, seed: tf.Tensor) -> None:
        """Calls every layer once, none in training mode, so that all weights exist.

        Args:
            images: float32 `[batch, height, width, channels]`.
            seed: int32 `[2]`.
        """

    def calibrate(self, images: Iterable[tf.Tensor]) -> None:
        """Sets what is set once, after training; most models have nothing of the kind.

        Args:
            images: batches of training images, float32 `[batch, height, width, channels]` in [0, 1].
        """

    def variable_groups(self) -> dict[str, list[tf.Variable]]:
        """Trainable variables by the name of the optimiser that they belong to; `default` is always there."""
        return {"default": self.trainable_variables}

    def group_apart(self, name: str, variables: list[tf.Variable]) -> dict[str, list[tf.Variable]]:
        """`variable_groups` with some variables in a group of their own."""
        own = {variable.ref() for variable in variables}
        rest = [variable for variable in self.trainable_variables if variable.ref() not in own]
        return {"default": rest, name: variables}

    # What Keras calls.

    def compile(self, optimizers: Mapping[str, keras.optimizers.Optimizer], **kwargs: Any) -> None:
        """Sets the optimisers.

        Args:
            optimizers: one for each of `variable_groups`.
            **kwargs: for Keras's `compile`.
        """
        super().compile(optimizer=optimizers["default"], **kwargs)
        # Keras has given the one that it knows a loss scale, if the precision needs one.
        scales = isinstance(self.optimizer, keras.mixed_precision.LossScaleOptimizer)
        others = {name: value for name, value in optimizers.items() if name != "default"}
        self._other_optimizers = {
            name: keras.mixed_precision.LossScaleOptimizer(value) if scales else value for name, value in others.items()
        }
        self._scales_loss = scales
        self.__dict__.pop("_traced_steps", None)  # They know the optimisers before.
        # Running means are those of all replicas already; by default Keras adds them up once more over workers.
        self.distribute_reduction_method = "first"

    @property
    def steps_taken(self) -> int:
        """Optimisation steps taken so far, those that were skipped for an overflow included."""
        return int(self.optimizer.iterations.numpy())

    @property
    def optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Every optimiser by its group's name."""
        return {"default": self.optimizer, **self._other_optimizers}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """All running means; Keras resets them at the beginning of each epoch."""
        return [*self._training_means.values(), *self._test_means.values()]

    def build_from(self, images: tf.Tensor) -> None:
        """Creates all variables: the model's, its optimisers' and its running means.

        Were any left to the first step, TensorFlow would trace that step twice.

        Args:
            images: float32 `[batch, height, width, channels]`, an example of what will come.
        """
        seed = tf.zeros([2], tf.int32)
        self.build_layers(images, seed)
        self.built = True
        weights = self.get_weights()
        loss = self.training_loss(images, tf.constant(0, tf.int64), seed)
        self.set_weights(weights)  # Batch normalisation has seen the example.
        for name, variables in self.variable_groups().items():
            self.optimizers[name].build(variables)
        self._training_means = _means(self._training_scalars(loss))
        counting = ["count_accuracy"] if self.finds_objects else []
        # Were their names those of training, Keras could report the ones for the others.
        self._test_means = _means([*self._test_scalars(images, seed), *counting], prefix="test_")

    # Nothing below needs AutoGraph, and converting it takes seconds.
    @tf.autograph.experimental.do_not_convert
    def train_step(self, data: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of optimisation on `data["images"]`."""
        return self._traced_once(self._take_step)(data)

    @tf.autograph.experimental.do_not_convert
    def test_step(self, data: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The ELBO's terms, and the accuracy of the number of objects where `data` holds `counts`."""
        return self._traced_once(self._take_test_step)(data)

    def _traced_once(self, step: _Step) -> _Step:
        # Keras puts a step into its graph twice, before its loop and in it: a function is traced once for both. On
        # several devices a step cannot be a function of its own, since devices meet within it.
        alone = tf.distribute.get_strategy().num_replicas_in_sync == 1
        return self._traced_steps[step] if alone and tf.inside_function() else step

    @functools.cached_property
    def _traced_steps(self) -> dict[_Step, _Step]:
        return {step: tf.function(step, autograph=False) for step in (self._take_step, self._take_test_step)}

    def _take_step(self, data: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        # Steps that are skipped for an overflow count too.
        images, step = data["images"], self.optimizer.iterations
        groups = self.variable_groups()
        with tf.GradientTape() as tape:
            loss = self.training_loss(images, step, self._step_seed(step))
            # Gradients are summed over replicas, so that each gives its share of the global mean.
            total = tf.nn.scale_regularization_loss(tf.reduce_mean(loss.per_image))
            if self._scales_loss:
                # All scales are equal; but each optimiser wants to be asked.
                scaled = [optimizer.get_scaled_loss(total) for optimizer in self.optimizers.values()]
                total = scaled[0]
        gradients = tape.gradient(total, groups)
        if self._scales_loss:
            gradients = self._unscaled(gradients)
        for name, variables in groups.items():
            self.optimizers[name].apply_gradients(zip(gradients[name], variables))
        return self._update_means(self._training_means, self._training_scalars(loss))

    def _unscaled(self, gradients: Mapping[str, list[tf.Tensor]]) -> dict[str, list[tf.Tensor]]:
        """The gradients of the loss itself; where one of them overflows, all become NaN.

        Each optimiser lowers its scale and skips the step if its own gradients are not finite: so all do it together,
        and their scales stay equal.
        """
        gradients = {name: self.optimizers[name].get_unscaled_gradients(values) for name, values in gradients.items()}
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(value)) for value in tf.nest.flatten(gradients)])
        return tf.nest.map_structure(lambda value: tf.where(finite, value, float("nan")), gradients)

    def _take_test_step(self, data: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        images = data["images"]
        scalars = self._test_scalars(images, self._step_seed(self.optimizer.iterations))
        if "counts" in data and self.finds_objects:
            counts = self.encode(images)["num_objects"]
            scalars["count_accuracy"] = tf.cast(tf.equal(counts, data["counts"]), tf.float32)
        return self._update_means(self._test_means, scalars)

    def _training_scalars(self, loss: TrainingLoss) -> dict[str, tf.Tensor]:
        return {
            "loss": loss.per_image,
            "elbo": elbo(loss.elbo_terms),
            **loss.elbo_terms,
            **loss.scalars,
            **{_rate_name(name): optimizer.learning_rate for name, optimizer in self.optimizers.items()},
            **({"loss_scale": self.optimizer.loss_scale} if self._scales_loss else {}),
        }

    def _test_scalars(self, images: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        terms = self.elbo_terms(images, seed)
        return {"elbo": elbo(terms), **terms}

    def _step_seed(self, step: tf.Tensor) -> tf.Tensor:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.random.experimental.stateless_fold_in([self._seed, 0], tf.cast(step, tf.int32))
        return tf.random.experimental.stateless_fold_in(seed, tf.cast(replica, tf.int32))

    @staticmethod
    def _update_means(means: dict[str, keras.metrics.Mean], scalars: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        for name, value in scalars.items():
            means[name].update_state(value)
        return {name: means[name].result() for name in scalars}


def _means(names: Iterable[str], prefix: str = "") -> dict[str, keras.metrics.Mean]:
    return {name: keras.metrics.Mean(name=prefix + name) for name in names}


def _rate_name(group: str) -> str:
    return "learning_rate" if group == "default" else f"{group}_learning_rate"
