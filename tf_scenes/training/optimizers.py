"""Keras's Adam and Adamax, each variable updated by one of TensorFlow's fused operations.

Keras writes an update as a dozen elementwise operations. On a CPU each of them goes through memory anew, and for a
model of 185 variables they are most of the graph that is traced. The formulas, the slots and so the checkpoints are the
same.
"""

from typing import Any

import tensorflow as tf


class Adam(tf.keras.optimizers.Adam):
    """Keras's Adam for dense gradients, without AMSGrad."""

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

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        """See `Adam.update_step`."""
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
