"""Keras's Adam and Adamax, each variable updated by one of TensorFlow's fused operations.

Keras writes an update as a dozen elementwise operations. On a CPU each of them goes through memory anew, and for a
model of 185 variables they are most of the graph that is traced. The formulas, the slots and so the checkpoints are the
same.
"""

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
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, variable.dtype), step),
            lr=tf.cast(self.learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class Adamax(tf.keras.optimizers.Adamax):
    """Keras's Adamax for dense gradients."""

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        """See `Adam.update_step`."""
        index = self._index_dict[self._var_key(variable)]
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdaMax(
            var=variable.handle,
            m=self._m[index].handle,
            v=self._u[index].handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), step),
            lr=tf.cast(self.learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )
