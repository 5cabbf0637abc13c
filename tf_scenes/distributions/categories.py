"""The category of an object, z_cat: Discrete-AIR, section 3.1."""

from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp

from tf_scenes.stack import keras

tfd = tfp.distributions
tfpl = tfp.layers


class CategoryPosterior(keras.layers.Layer):
    """q(z_cat): a distribution over one-hot vectors, relaxed by Gumbel-softmax (equation 4) or exact.

    Departure from the paper: it estimates the KL to the uniform prior by Monte Carlo on relaxed samples. Here
    `kl_to_uniform` computes the KL of the discrete distributions, a short sum that is exact and has no variance.
    """

    def __init__(self, name: Optional[str] = None):
        """Creates the layer, which has no weights."""
        super().__init__(name=name, dtype="float32")
        self._exact = tfpl.DistributionLambda(
            lambda logits: tfd.OneHotCategorical(logits=logits, dtype=tf.float32),
            convert_to_tensor_fn=tfd.Distribution.mode,
            dtype="float32",
        )
        self._relaxed = tfpl.DistributionLambda(
            lambda inputs: tfd.RelaxedOneHotCategorical(inputs[1], logits=inputs[0]), dtype="float32"
        )

    def call(self, logits: tf.Tensor, temperature: Optional[tf.Tensor] = None) -> tfd.Distribution:
        """The posterior of the given logits.

        Args:
            logits: Logits of the categories, float32 `[batch, categories]`.
            temperature: Temperature of the relaxation; None gives the exact distribution.
        """
        return self._exact(logits) if temperature is None else self._relaxed((logits, temperature))


def kl_to_uniform(logits: tf.Tensor) -> tf.Tensor:
    """KL divergence from categorical distributions to the uniform one: float32 `[..., categories]` -> `[...]`, nats."""
    return tfd.kl_divergence(tfd.Categorical(logits=logits), tfd.Categorical(logits=tf.zeros_like(logits)))
