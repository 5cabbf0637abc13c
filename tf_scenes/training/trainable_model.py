"""Keras's side of every model: variables, the training and test steps, running means."""

import abc
import functools
from collections.abc import Iterable, Mapping
from typing import Any, Callable, NamedTuple, Optional

import tensorflow as tf
from typing_extensions import override

from tf_scenes.training import optimizers

keras = tf.keras

Batch = Mapping[str, tf.Tensor]
# From a batch to the means of its scalars.
_Step = Callable[[Batch], dict[str, tf.Tensor]]


class TrainingLoss(NamedTuple):
    """What a training step minimises and reports.

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


class TrainableModel(keras.Model, abc.ABC):
    """A Keras model that says its own loss: `compile(optimizer)`, `build(input_shape)` and `fit(batches)` as ever.

    Batches are dictionaries with `images`. A step and all its random draws are a function of the weights, the batch,
    the seed and the step's number.
    """

    def __init__(self, seed: int, name: Optional[str] = None):
        """Creates the model.

        Args:
            seed: of all random draws in training.
            name: of the model.
        """
        # Images are not cast to half precision on their way in: the likelihood needs them as they are.
        super().__init__(name=name, autocast=False)
        self._seed = seed
        self._training_means: dict[str, keras.metrics.Mean] = {}
        self._test_means: dict[str, keras.metrics.Mean] = {}

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
    def held_out_measures(self, batch: Batch, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """What is reported of held-out images during training: name to float32 `[batch]`.

        Args:
            batch: `images`, and the data set's ground truth where it has any.
            seed: int32 `[2]`.
        """

    @property
    def measures_of_ground_truth(self) -> tuple[str, ...]:
        """Those of `held_out_measures` that are there only if the batch has ground truth."""
        return ()

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

    # What Keras calls.

    @override
    def compile(self, optimizer: keras.optimizers.Optimizer, **kwargs: Any) -> None:
        """Sets the optimiser, before or after `build`.

        Args:
            optimizer: one of Keras's, or a `GroupedOptimizer` where parts of the model have optimisers of their own.
            **kwargs: for Keras's `compile`.
        """
        super().compile(optimizer=optimizer, **kwargs)
        self.__dict__.pop("_traced_steps", None)  # They know the optimiser before.
        # Running means are those of all replicas already; by default Keras adds them up once more over workers.
        self.distribute_reduction_method = "first"
        if self.built:
            self._prepare_optimizer()

    @override
    def build(self, input_shape: tuple[Optional[int], ...]) -> None:
        """Creates all variables: the model's, its optimiser's and its running means.

        Were any left to the first step, TensorFlow would trace that step twice.

        Args:
            input_shape: of the images to come, `(None, height, width, channels)`.
        """
        images, seed = tf.zeros((1, *input_shape[1:])), tf.zeros([2], tf.int32)
        self.build_layers(images, seed)
        self.built = True
        weights = self.get_weights()
        loss = self.training_loss(images, tf.constant(0, tf.int64), seed)
        self.set_weights(weights)  # Batch normalisation has seen the example.
        measures = [*self.held_out_measures({"images": images}, seed), *self.measures_of_ground_truth]
        # Were their names those of training, Keras could report the ones for the others.
        self._test_means = _means(measures, prefix="test_")
        self._training_means = _means(self._loss_scalars(loss))
        if self.optimizer is not None:
            self._prepare_optimizer()

    def _prepare_optimizer(self) -> None:
        self.optimizer.build(self.trainable_variables)
        new = self._optimizer_scalars().keys() - self._training_means.keys()
        self._training_means.update(_means(new))

    @property
    def steps_taken(self) -> int:
        """Optimisation steps taken so far, those that were skipped for an overflow included."""
        return int(self.optimizer.iterations.numpy())

    @property
    @override
    def metrics(self) -> list[keras.metrics.Metric]:
        """All running means; Keras resets them at the beginning of each epoch."""
        return [*self._training_means.values(), *self._test_means.values()]

    # Nothing below needs AutoGraph, and converting it takes seconds.
    @tf.autograph.experimental.do_not_convert
    @override
    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """One step of optimisation on `data["images"]`."""
        return self._traced_once(self._take_step)(data)

    @tf.autograph.experimental.do_not_convert
    @override
    def test_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """The running means of `held_out_measures`."""
        return self._traced_once(self._take_test_step)(data)

    def _traced_once(self, step: _Step) -> _Step:
        if not self.built:
            raise ValueError("build the model first: model.build((None, height, width, channels))")
        # Keras puts a step into its graph twice, before its loop and in it: a function is traced once for both. On
        # several devices a step cannot be a function of its own, since devices meet within it.
        alone = tf.distribute.get_strategy().num_replicas_in_sync == 1
        return self._traced_steps[step] if alone and tf.inside_function() else step

    @functools.cached_property
    def _traced_steps(self) -> dict[_Step, _Step]:
        return {step: tf.function(step, autograph=False) for step in (self._take_step, self._take_test_step)}

    def _take_step(self, data: Batch) -> dict[str, tf.Tensor]:
        # Steps that are skipped for an overflow count too.
        step = self.optimizer.iterations
        with tf.GradientTape() as tape:
            loss = self.training_loss(data["images"], step, self._step_seed(step))
            # Gradients are summed over replicas, so that each gives its share of the global mean.
            total = tf.nn.scale_regularization_loss(tf.reduce_mean(loss.per_image))
        self.optimizer.minimize(total, self.trainable_variables, tape=tape)
        return _update(self._training_means, {**self._loss_scalars(loss), **self._optimizer_scalars()})

    def _take_test_step(self, data: Batch) -> dict[str, tf.Tensor]:
        return _update(self._test_means, self.held_out_measures(data, self._step_seed(self.optimizer.iterations)))

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


def _means(names: Iterable[str], prefix: str = "") -> dict[str, keras.metrics.Mean]:
    return {name: keras.metrics.Mean(name=prefix + name) for name in names}


def _update(means: Mapping[str, keras.metrics.Mean], scalars: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    for name, value in scalars.items():
        means[name].update_state(value)
    return {name: means[name].result() for name in scalars}
