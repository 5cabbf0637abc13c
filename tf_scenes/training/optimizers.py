"""Optimisers: several as one, and Keras's Adam and Adamax with one fused operation a variable.

Keras writes an update as a dozen elementwise operations. On a CPU each of them goes through memory anew, and for a
model of 185 variables they are most of the graph that is traced. The formulas and the optimiser's variables, and so the
checkpoints, are the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable, Optional

import tensorflow as tf
from typing_extensions import override

from tf_scenes.training.options import TrainingOptions
from tf_scenes.training.schedules import Ramp

# The group of all variables that no other group has.
DEFAULT = "default"
_FALLING_SHARE = 0.4

Optimizer = tf.keras.optimizers.Optimizer
Gradients = Iterable[tuple[Optional[tf.Tensor], tf.Variable]]


class GroupedOptimizer(Optimizer):
    """One optimiser made of several, each for a group of variables, with its own learning rate and clipping.

    Keras sees one: it gives it one loss scale where the precision needs one, so that an overflow anywhere skips the
    step of all groups.
    """

    def __init__(
        self,
        optimizers: Mapping[str, Optimizer],
        variable_groups: Callable[[], Mapping[str, Sequence[tf.Variable]]],
        name: str = "grouped",
    ):
        """Creates the optimiser.

        Args:
            optimizers: by group; `default` is always there.
            variable_groups: gives each group's variables, once the model is built.
            name: of the optimiser.
        """
        super().__init__(name=name)
        self._by_group = dict(optimizers)
        self._variable_groups = variable_groups
        self._learning_rate = optimizers[DEFAULT]._learning_rate  # Keras's TensorBoard callback looks for it.

    @property
    def by_group(self) -> dict[str, Optimizer]:
        """Every group's optimiser."""
        return dict(self._by_group)

    @property
    @override
    def learning_rate(self) -> tf.Tensor:
        """That of the default group."""
        return self._by_group[DEFAULT].learning_rate

    @override
    def build(self, var_list: Sequence[tf.Variable]) -> None:
        """Creates the variables of all groups' optimisers.

        Raises:
            ValueError: the groups do not hold each variable once, or are not those that there are optimisers for.
        """
        if getattr(self, "_built", False):
            return
        super().build(var_list)
        groups = self._variable_groups()
        if sorted(map(id, var_list)) != sorted(id(variable) for group in groups.values() for variable in group):
            raise ValueError("the groups of variables must hold every trainable variable once")
        if groups.keys() != self._by_group.keys():
            raise ValueError(f"variables are grouped as {sorted(groups)}, optimisers as {sorted(self._by_group)}")
        for group, variables in groups.items():
            self._by_group[group].build(variables)
        self._built = True

    @override
    def apply_gradients(
        self, grads_and_vars: Gradients, name: Optional[str] = None, skip_gradients_aggregation: bool = False
    ) -> tf.Variable:
        """Takes the step of each group's optimiser, which aggregates over replicas and clips by itself.

        Args:
            grads_and_vars: as for any optimiser of Keras.
            name: has no effect, as in Keras.
            skip_gradients_aggregation: whether gradients are summed over replicas already.

        Returns:
            The number of steps taken.
        """
        gradients = {variable.ref(): gradient for gradient, variable in grads_and_vars}
        for group, variables in self._variable_groups().items():
            optimizer, own = self._by_group[group], [(gradients[each.ref()], each) for each in variables]
            # Steps that were skipped for an overflow count for schedules too.
            optimizer.iterations.assign(self.iterations)
            optimizer.apply_gradients(own, skip_gradients_aggregation=skip_gradients_aggregation)
        return self.iterations.assign_add(1)

    @override
    def get_config(self) -> dict[str, Any]:
        """Raises an error: groups of variables are those of a model, and cannot be written down.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("a GroupedOptimizer belongs to the variables of its model: make it anew")


def learning_rates(optimizer: Optimizer) -> dict[str, tf.Tensor]:
    """The learning rates of an optimiser as scalars to report: `learning_rate`, and `<group>_learning_rate` of groups.

    Args:
        optimizer: any of Keras's, also with a loss scale around it.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    rates = {"learning_rate": optimizer.learning_rate}
    for group, each in getattr(optimizer, "by_group", {}).items():
        if group != DEFAULT:
            rates[f"{group}_learning_rate"] = each.learning_rate
    return rates


def falling_rate(options: TrainingOptions, factor: float = 1.0) -> Ramp:
    """The learning rate of the flags, times a factor: constant at first, then falling to its final value."""
    first_falling = int((1.0 - _FALLING_SHARE) * options.train_steps)
    return Ramp(
        factor * options.learning_rate, factor * options.learning_rate_final, first_falling, options.train_steps
    )


def clip_norm(options: TrainingOptions) -> Optional[float]:
    """The global norm that gradients are clipped to, as Keras's optimisers take it."""
    return options.gradient_clip_norm or None


class Adam(tf.keras.optimizers.Adam):
    """Keras's Adam for dense gradients, without AMSGrad."""

    @override
    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        """Updates one variable.

        Args:
            gradient: of the variable's shape and type.
            variable: one of those that the optimiser was built for.
        """
        index = self._index_dict[self._var_key(variable)]
        tf.raw_ops.ResourceApplyAdam(
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta2_power=_power(self, self.beta_2, variable),
            **_shared(self, gradient, variable),
        )


class Adamax(tf.keras.optimizers.Adamax):
    """Keras's Adamax for dense gradients."""

    @override
    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        index = self._index_dict[self._var_key(variable)]
        tf.raw_ops.ResourceApplyAdaMax(
            m=self._m[index].handle, v=self._u[index].handle, **_shared(self, gradient, variable)
        )


def _shared(optimizer: tf.keras.optimizers.Optimizer, gradient: tf.Tensor, variable: tf.Variable) -> dict[str, Any]:
    """What both operations take."""
    return {
        "var": variable.handle,
        "beta1_power": _power(optimizer, optimizer.beta_1, variable),
        "lr": tf.cast(optimizer.learning_rate, variable.dtype),
        "beta1": optimizer.beta_1,
        "beta2": optimizer.beta_2,
        "epsilon": optimizer.epsilon,
        "grad": gradient,
    }


def _power(optimizer: tf.keras.optimizers.Optimizer, beta: float, variable: tf.Variable) -> tf.Tensor:
    """A decay rate to the power of the step that is being taken."""
    return tf.pow(tf.cast(beta, variable.dtype), tf.cast(optimizer.iterations + 1, variable.dtype))
