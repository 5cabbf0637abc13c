"""Several optimisers combined into one, and Keras's Adam and Adamax with one fused operation per variable.

Keras writes an update as a dozen elementwise operations. On a CPU each of them is another pass through memory, and for
a model of 185 variables they make up most of the traced graph. The fused operations compute the same formulas with the
same optimiser variables, so checkpoints are the same too.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable, Optional

import tensorflow as tf
from typing_extensions import override

from tf_scenes.stack import keras
from tf_scenes.training.options import TrainingOptions
from tf_scenes.training.schedules import Ramp

# The group of all variables that belong to no other group.
DEFAULT = "default"
# Share of the steps, at the end of training, over which the learning rate falls.
_FALLING_SHARE = 0.4

Optimizer = keras.optimizers.Optimizer
Gradients = Iterable[tuple[Optional[tf.Tensor], tf.Variable]]


class GroupedOptimizer(Optimizer):
    """Several optimisers as one, each for a group of variables, with its own learning rate and gradient clipping.

    Keras sees a single optimiser. Where the precision needs loss scaling, all groups therefore share one loss scale,
    and an overflow in any group skips the step of all of them.
    """

    def __init__(
        self,
        optimizers: Mapping[str, Optimizer],
        variable_groups: Callable[[], Mapping[str, Sequence[tf.Variable]]],
        name: str = "grouped",
    ):
        """Creates the optimiser.

        Args:
            optimizers: Optimisers by group; the group `default` is required.
            variable_groups: Function that returns the variables by group; called once the model is built.
            name: Name of the optimiser.
        """
        super().__init__(name=name)
        self._by_group = dict(optimizers)
        self._variable_groups = variable_groups
        self._learning_rate = optimizers[DEFAULT]._learning_rate  # Keras's TensorBoard callback reads it.

    @property
    def by_group(self) -> dict[str, Optimizer]:
        """The optimisers by group."""
        return dict(self._by_group)

    @property
    @override
    def learning_rate(self) -> tf.Tensor:
        """The learning rate of the default group."""
        return self._by_group[DEFAULT].learning_rate

    @override
    def build(self, var_list: Sequence[tf.Variable]) -> None:
        """Creates the variables of all groups' optimisers.

        Args:
            var_list: All trainable variables of the model.

        Raises:
            ValueError: If the groups do not hold every variable exactly once, or differ from the optimisers' groups.
        """
        if getattr(self, "_built", False):
            return
        super().build(var_list)
        groups = self._variable_groups()
        if sorted(map(id, var_list)) != sorted(id(variable) for group in groups.values() for variable in group):
            raise ValueError("the groups of variables must hold every trainable variable exactly once")
        if groups.keys() != self._by_group.keys():
            raise ValueError(
                f"the groups of variables are {sorted(groups)}, but those of optimisers are {sorted(self._by_group)}"
            )
        for group, variables in groups.items():
            self._by_group[group].build(variables)
        self._built = True

    @override
    def apply_gradients(
        self, grads_and_vars: Gradients, name: Optional[str] = None, skip_gradients_aggregation: bool = False
    ) -> tf.Variable:
        """Applies each group's gradients with its own optimiser, which sums them over replicas and clips them.

        Args:
            grads_and_vars: Pairs of gradient and variable, as for any Keras optimiser.
            name: Ignored, as in Keras.
            skip_gradients_aggregation: Whether gradients have already been summed over replicas.

        Returns:
            The number of steps taken.
        """
        gradients = {variable.ref(): gradient for gradient, variable in grads_and_vars}
        for group, variables in self._variable_groups().items():
            optimizer, own = self._by_group[group], [(gradients[each.ref()], each) for each in variables]
            # Steps that were skipped because of an overflow must count in learning rate schedules too.
            optimizer.iterations.assign(self.iterations)
            if all(gradient is None for gradient, _ in own):  # Eagerly, a loss that is switched off has no gradients.
                continue
            optimizer.apply_gradients(own, skip_gradients_aggregation=skip_gradients_aggregation)
        return self.iterations.assign_add(1)

    @override
    def get_config(self) -> dict[str, Any]:
        """Not supported, since groups consist of a model's variables, which cannot be serialised.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("a GroupedOptimizer belongs to its model's variables: create it again from the model")


def group_apart(
    variables: Sequence[tf.Variable], name: str, own: Sequence[tf.Variable]
) -> dict[str, list[tf.Variable]]:
    """Puts some variables into a group of their own, and leaves the others in the default group.

    Args:
        variables: All variables.
        name: Name of the group.
        own: Variables of the group.
    """
    references = {variable.ref() for variable in own}
    return {DEFAULT: [each for each in variables if each.ref() not in references], name: list(own)}


def learning_rates(optimizer: Optimizer) -> dict[str, tf.Tensor]:
    """The learning rates of an optimiser, as scalars to report.

    Args:
        optimizer: Any Keras optimiser, with or without a `LossScaleOptimizer` around it.

    Returns:
        `learning_rate`, and for each group of a `GroupedOptimizer` but the default one `<group>_learning_rate`.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    rates = {"learning_rate": optimizer.learning_rate}
    for group, each in getattr(optimizer, "by_group", {}).items():
        if group != DEFAULT:
            rates[f"{group}_learning_rate"] = each.learning_rate
    return rates


def falling_rate(options: TrainingOptions, factor: float = 1.0) -> Ramp:
    """The learning rate of the options times a factor: constant at first, then falling linearly to its final value."""
    first_falling = int((1.0 - _FALLING_SHARE) * options.train_steps)
    return Ramp(
        factor * options.learning_rate, factor * options.learning_rate_final, first_falling, options.train_steps
    )


def clip_norm(options: TrainingOptions) -> Optional[float]:
    """The global norm to which gradients are clipped; None, as Keras's optimisers expect, for no clipping."""
    return options.gradient_clip_norm or None


class Adam(keras.optimizers.Adam):
    """Keras's Adam for dense gradients, without AMSGrad."""

    @override
    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        """Updates one variable.

        Args:
            gradient: Gradient, of the variable's shape and dtype.
            variable: One of the variables that the optimiser was built for.
        """
        index = self._index_dict[self._var_key(variable)]
        tf.raw_ops.ResourceApplyAdam(
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta2_power=_decay_power(self, self.beta_2, variable),
            **_common_arguments(self, gradient, variable),
        )


class Adamax(keras.optimizers.Adamax):
    """Keras's Adamax for dense gradients."""

    @override
    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        index = self._index_dict[self._var_key(variable)]
        tf.raw_ops.ResourceApplyAdaMax(
            m=self._m[index].handle, v=self._u[index].handle, **_common_arguments(self, gradient, variable)
        )


def _common_arguments(
    optimizer: keras.optimizers.Optimizer, gradient: tf.Tensor, variable: tf.Variable
) -> dict[str, Any]:
    """The arguments that both fused operations take."""
    return {
        "var": variable.handle,
        "beta1_power": _decay_power(optimizer, optimizer.beta_1, variable),
        "lr": tf.cast(optimizer.learning_rate, variable.dtype),
        "beta1": optimizer.beta_1,
        "beta2": optimizer.beta_2,
        "epsilon": optimizer.epsilon,
        "grad": gradient,
    }


def _decay_power(optimizer: keras.optimizers.Optimizer, beta: float, variable: tf.Variable) -> tf.Tensor:
    """A decay rate to the power of the current step's number, counted from 1."""
    return tf.pow(tf.cast(beta, variable.dtype), tf.cast(optimizer.iterations + 1, variable.dtype))
