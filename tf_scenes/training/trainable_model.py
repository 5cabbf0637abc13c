"""Base class that lets Keras train a model: creates its variables, takes training and test steps, reports means."""

import abc
import functools
from collections.abc import Iterable, Mapping
from typing import Any, Callable, NamedTuple, Optional

import tensorflow as tf
from typing_extensions import override

from tf_scenes.stack import keras
from tf_scenes.training import optimizers

Batch = Mapping[str, tf.Tensor]
# Takes a batch and returns running means of scalars by name.
_Step = Callable[[Batch], dict[str, tf.Tensor]]


class TrainingLoss(NamedTuple):
    """The loss that a training step minimises, and the quantities that it reports.

    Attributes:
        per_image: Loss of each image, float32 `[batch]`; its mean is minimised.
        elbo_terms: Terms of the ELBO by name, each float32 `[batch]` in nats: `reconstruction` and the KL terms.
        scalars: Further quantities to plot by name, each a float32 scalar.
    """

    per_image: tf.Tensor
    elbo_terms: Mapping[str, tf.Tensor]
    scalars: Mapping[str, tf.Tensor]


def elbo(terms: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """The evidence lower bound: the log-likelihood of the reconstruction minus all KL terms.

    Args:
        terms: Terms by name: `reconstruction` and any number of KL terms, all of the same shape, in nats.

    Returns:
        The ELBO in nats, of the terms' shape.
    """
    return terms["reconstruction"] - tf.add_n([value for name, value in terms.items() if name != "reconstruction"])


class TrainableModel(keras.Model, abc.ABC):
    """A Keras model that defines its own loss; trained by `compile(optimizer)`, `build(input_shape)`, `fit(batches)`.

    Batches are dictionaries with `images`. A step, including all its random draws, is a function of the weights, the
    batch, the seed and the step's number.
    """

    def __init__(self, seed: int, name: Optional[str] = None):
        """Creates the model.

        Args:
            seed: Seed of all random draws in training.
            name: Name of the model.
        """
        # The likelihood needs images in full precision, so they are not cast to half precision on input.
        super().__init__(name=name, autocast=False)
        self._seed = seed
        self._means = _RunningMeans()

    # What a subclass defines.

    @abc.abstractmethod
    def training_loss(self, images: tf.Tensor, step: tf.Tensor, seed: tf.Tensor) -> TrainingLoss:
        """The loss of one batch.

        Args:
            images: Images as `prepare` returns them, float32 `[batch, height, width, channels]`.
            step: Number of optimisation steps taken so far, int64 scalar.
            seed: Random seed, int32 `[2]`.
        """

    def prepare(self, batch: Batch) -> tf.Tensor:
        """The images on which losses and ELBOs are computed: the batch's own, unless the model normalises pictures.

        Args:
            batch: Dictionary with `images`, float32 `[batch, height, width, channels]` in [0, 1], and, where they are
                crops, with `levels` of the whole pictures, see `tf_scenes.layers.levels`.

        Returns:
            Images, float32 `[batch, height, width, channels]`.
        """
        return batch["images"]

    @abc.abstractmethod
    def held_out_measures(self, batch: Batch, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """The quantities reported on held-out images during training.

        Args:
            batch: Dictionary with `images` and, where the data set has any, its ground truth.
            seed: Random seed, int32 `[2]`.

        Returns:
            Quantities by name, each float32 `[batch]`.
        """

    @property
    def measures_of_ground_truth(self) -> tuple[str, ...]:
        """Names of those `held_out_measures` that are only present if the batch has ground truth."""
        return ()

    def build_training_layers(self, images: tf.Tensor, seed: tf.Tensor) -> None:
        """Calls the layers that only training uses once, outside training mode, so that their weights exist.

        `held_out_measures` has called all others. Most models have no such layers.

        Args:
            images: Images, float32 `[batch, height, width, channels]`.
            seed: Random seed, int32 `[2]`.
        """

    def calibrate(self, images: Iterable[tf.Tensor]) -> None:
        """Sets quantities that are fitted once, after training; most models have none.

        Args:
            images: Batches of training images as `prepare` returns them, float32 `[batch, height, width, channels]`.
        """

    # What Keras calls.

    @override
    def compile(self, optimizer: keras.optimizers.Optimizer, **kwargs: Any) -> None:
        """Sets the optimiser, before or after `build`.

        Args:
            optimizer: A Keras optimiser, or a `GroupedOptimizer` where parts of the model have optimisers of their own.
            **kwargs: Further arguments of Keras's `compile`.
        """
        super().compile(optimizer=optimizer, **kwargs)
        for traced in ("_traced_train_step", "_traced_test_step"):  # They were traced with the previous optimiser.
            self.__dict__.pop(traced, None)
        # Running means already cover all replicas; by default Keras would sum them over workers once more.
        self.distribute_reduction_method = "first"
        if self.built:
            self._prepare_optimizer()

    @override
    def build(self, input_shape: tuple[Optional[int], ...]) -> None:
        """Creates all variables: those of the model, of its optimiser and of its running means.

        If any were left to the first step to create, TensorFlow would trace that step twice.

        Args:
            input_shape: Shape of the training images, `(None, height, width, channels)`.
        """
        images, seed = tf.zeros((1, *input_shape[1:])), tf.zeros([2], tf.int32)
        measures = [*self.held_out_measures({"images": images}, seed), *self.measures_of_ground_truth]
        self.build_training_layers(images, seed)
        self.built = True
        weights = self.get_weights()
        loss = self.training_loss(images, tf.constant(0, tf.int64), seed)
        self.set_weights(weights)  # Undoes the update of batch normalisation by the blank example.
        # Without the prefix, test and training means would share names, and Keras could report one for the other.
        self._means.held_out = _running_means(measures, prefix="test_")
        self._means.training = _running_means(self._loss_scalars(loss))
        if self.optimizer is not None:
            self._prepare_optimizer()

    def _prepare_optimizer(self) -> None:
        self.optimizer.build(self.trainable_variables)
        new = self._optimizer_scalars().keys() - self._means.training.keys()
        self._means.training.update(_running_means(new))

    @property
    def steps_taken(self) -> int:
        """Number of optimisation steps taken so far, including those skipped because of an overflow."""
        return int(self.optimizer.iterations.numpy())

    @property
    @override
    def metrics(self) -> list[keras.metrics.Metric]:
        """All running means, which Keras resets at the beginning of each epoch."""
        return [*self._means.training.values(), *self._means.held_out.values()]

    # Nothing below needs AutoGraph, whose conversion takes seconds.
    @tf.autograph.experimental.do_not_convert
    @override
    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """Takes one optimisation step on `data["images"]`, and returns the running means of training."""
        return (self._traced_train_step if self._traces_once() else self._take_step)(data)

    @tf.autograph.experimental.do_not_convert
    @override
    def test_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """Adds a held-out batch to the running means of `held_out_measures`, and returns these."""
        return (self._traced_test_step if self._traces_once() else self._take_test_step)(data)

    def _traces_once(self) -> bool:
        """Whether a step is to be a `tf.function` of its own."""
        if not self.built:
            raise ValueError("build the model first: model.build((None, height, width, channels))")
        # Keras puts a step into its graph twice, before and inside its loop; a `tf.function` is traced only once for
        # both. On several devices a step cannot be a `tf.function` of its own, since replicas synchronise within it.
        single_device = tf.distribute.get_strategy().num_replicas_in_sync == 1
        return single_device and tf.inside_function()

    @functools.cached_property
    def _traced_train_step(self) -> _Step:
        return tf.function(self._take_step, autograph=False)

    @functools.cached_property
    def _traced_test_step(self) -> _Step:
        return tf.function(self._take_test_step, autograph=False)

    def _take_step(self, data: Batch) -> dict[str, tf.Tensor]:
        # This number also counts steps that were skipped because of an overflow.
        step = self.optimizer.iterations
        with tf.GradientTape() as tape:
            loss = self.training_loss(self.prepare(data), step, self._step_seed(step))
            # Gradients are summed over replicas, so each replica's loss must be its share of the global mean.
            total = tf.nn.scale_regularization_loss(tf.reduce_mean(loss.per_image))
        self.optimizer.minimize(total, self.trainable_variables, tape=tape)
        return _update_means(self._means.training, {**self._loss_scalars(loss), **self._optimizer_scalars()})

    def _take_test_step(self, data: Batch) -> dict[str, tf.Tensor]:
        return _update_means(
            self._means.held_out, self.held_out_measures(data, self._step_seed(self.optimizer.iterations))
        )

    def _loss_scalars(self, loss: TrainingLoss) -> dict[str, tf.Tensor]:
        return {"loss": loss.per_image, "elbo": elbo(loss.elbo_terms), **loss.elbo_terms, **loss.scalars}

    def _optimizer_scalars(self) -> dict[str, tf.Tensor]:
        scales = isinstance(self.optimizer, keras.mixed_precision.LossScaleOptimizer)
        return {
            **optimizers.learning_rates(self.optimizer),
            **({"loss_scale": self.optimizer.loss_scale} if scales else {}),
        }

    def _step_seed(self, step: tf.Tensor) -> tf.Tensor:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.random.experimental.stateless_fold_in([self._seed, 0], tf.cast(step, tf.int32))
        return tf.random.experimental.stateless_fold_in(seed, tf.cast(replica, tf.int32))


class _RunningMeans:
    """Running means by name.

    Not one of TensorFlow's trackable objects, so that checkpoints do not hold them: means begin anew in each epoch, and
    a later version of the code may log more of them.
    """

    def __init__(self) -> None:
        self.training: dict[str, keras.metrics.Mean] = {}
        self.held_out: dict[str, keras.metrics.Mean] = {}


def _running_means(names: Iterable[str], prefix: str = "") -> dict[str, keras.metrics.Mean]:
    return {name: keras.metrics.Mean(name=prefix + name) for name in names}


def _update_means(means: Mapping[str, keras.metrics.Mean], scalars: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    for name, value in scalars.items():
        means[name].update_state(value)
    return {name: means[name].result() for name in scalars}
