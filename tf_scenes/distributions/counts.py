"""The number of objects: LAVAE, equation 2."""

from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp

from tf_scenes.stack import keras

tfd = tfp.distributions
tfpl = tfp.layers


class CountPrior(keras.layers.Layer):
    """p(n): a categorical distribution on 0 to N with learned probabilities."""

    def __init__(self, max_objects: int, name: Optional[str] = None):
        """Creates the prior, which is uniform before training.

        Args:
            max_objects: N, the most objects in a training image.
            name: Name of the layer.
        """
        super().__init__(name=name, dtype="float32")
        self._max_objects = max_objects
        self._logits = self.add_weight(name="logits", shape=[max_objects + 1], initializer="zeros")
        self._distribution = tfpl.DistributionLambda(
            lambda logits: tfd.Categorical(logits=logits), convert_to_tensor_fn=tfd.Distribution.mode, dtype="float32"
        )

    def for_range(self, max_objects: Optional[int]) -> tfd.Categorical:
        """The prior of the number of objects, from 0 to `max_objects`.

        The learned prior does not cover more than N objects. So if `max_objects` is anything but N, the prior is
        uniform on 0 to `max_objects`, as in the paper's figure 9. None stands for N.
        """
        if max_objects is None or max_objects == self._max_objects:
            return self._distribution(tf.identity(self._logits))
        return _uniform(max_objects)

    def for_samples(self, max_objects: Optional[int]) -> tfd.Categorical:
        """The numbers of objects in drawn scenes: those of the learned prior, or uniform up to `max_objects`."""
        return self.for_range(None) if max_objects is None else _uniform(max_objects)


def _uniform(max_objects: int) -> tfd.Categorical:
    return tfd.Categorical(logits=tf.zeros([max_objects + 1]))
