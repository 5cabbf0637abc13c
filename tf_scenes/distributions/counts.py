"""The number of objects: LAVAE, equation 2."""

from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions
tfpl = tfp.layers


class CountPrior(tf.keras.layers.Layer):
    """p(n): categorical on 0 to N with learned probabilities."""

    def __init__(self, max_objects: int, name: Optional[str] = None):
        """Creates the prior, uniform at first.

        Args:
            max_objects: N.
            name: of the layer.
        """
        super().__init__(name=name, dtype="float32")
        self._max_objects = max_objects
        self._logits = self.add_weight(name="logits", shape=[max_objects + 1], initializer="zeros")
        self._distribution = tfpl.DistributionLambda(
            lambda logits: tfd.Categorical(logits=logits), convert_to_tensor_fn=tfd.Distribution.mode, dtype="float32"
        )

    def for_range(self, max_objects: Optional[int]) -> tfd.Categorical:
        """The prior of counts from 0 to `max_objects`.

        The learned prior says nothing about more than N objects: any other number than N gives the uniform distribution
        on 0 to that number (as the paper has for figure 9); None stands for N.
        """
        if max_objects is None or max_objects == self._max_objects:
            return self._distribution(tf.identity(self._logits))
        return tfd.Categorical(logits=tf.zeros([max_objects + 1]))
