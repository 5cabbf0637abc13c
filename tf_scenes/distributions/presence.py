"""The presence of objects, z_pres, one after another until the first is absent: Discrete-AIR, sections 2 and 3.1."""

from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


def relaxed_presence_logits(logits: tf.Tensor, temperature: tf.Tensor) -> tfd.Logistic:
    """The logit of a Gumbel-sigmoid variable of equation 5; unlike the variable's, its density is finite in float32.

    Args:
        logits: Log-odds of presence, float32.
        temperature: Temperature of the relaxation, positive.
    """
    return tfd.Logistic(logits / temperature, 1.0 / temperature)


class PresenceSequence(tfd.Distribution):
    """Sequence z_1 ... z_T in which an object can be present only if all objects before it are present.

    z_t = z_{t-1} y_t with z_0 = 1 and independent y_t. Without a temperature, y_t is Bernoulli, so a sequence is n ones
    followed by zeros. With a temperature, y_t is relaxed to (0, 1) by the Gumbel-sigmoid of equation 5, so z_t is in
    (0, 1) too; the density of a sequence follows from that of y_t = z_t / z_{t-1} by a change of variables.
    """

    def __init__(self, logits: tf.Tensor, temperature: Optional[tf.Tensor] = None, name: str = "PresenceSequence"):
        """Creates the distribution.

        Args:
            logits: Log-odds of each y_t, float32 `[..., slots]`.
            temperature: Temperature of the relaxation, positive; None gives the exact distribution.
            name: Prefix of the names of the created ops.
        """
        parameters = dict(locals())
        with tf.name_scope(name):
            self._logits = tf.convert_to_tensor(logits)
            self._temperature = temperature
        super().__init__(
            dtype=self._logits.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED if temperature is None else tfd.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @property
    def logits(self) -> tf.Tensor:
        """Log-odds of each y_t, float32 `[..., slots]`."""
        return self._logits

    def _batch_shape(self) -> tf.TensorShape:
        return self._logits.shape[:-1]

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._logits)[:-1]

    def _event_shape(self) -> tf.TensorShape:
        return self._logits.shape[-1:]

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._logits)[-1:]

    def _sample_n(self, n: tf.Tensor, seed: Optional[tf.Tensor] = None) -> tf.Tensor:
        if self._temperature is None:
            factors = tfd.Bernoulli(logits=self._logits, dtype=self.dtype).sample(n, seed=seed)
        else:
            factors = tf.sigmoid(relaxed_presence_logits(self._logits, self._temperature).sample(n, seed=seed))
        return tf.math.cumprod(factors, axis=-1)

    def _log_prob(self, sequence: tf.Tensor) -> tf.Tensor:
        before = tf.concat([tf.ones_like(sequence[..., :1]), sequence[..., :-1]], axis=-1)
        if self._temperature is None:
            log_probs = tfd.Bernoulli(logits=self._logits, dtype=self.dtype).log_prob(sequence)
            present_after_absent = tf.reduce_any(sequence > before, axis=-1)
            return tf.where(present_after_absent, -float("inf"), tf.reduce_sum(before * log_probs, axis=-1))
        relaxed = tfd.RelaxedBernoulli(self._temperature, logits=self._logits)
        return tf.reduce_sum(relaxed.log_prob(sequence / before) - tf.math.log(before), axis=-1)

    def count_probabilities(self) -> tf.Tensor:
        """Probabilities of 0 to T objects under the exact distribution: float32 `[..., slots + 1]`."""
        survival = tf.math.cumprod(tf.sigmoid(self._logits), axis=-1)  # P(n >= t)
        at_least = tf.concat([tf.ones_like(survival[..., :1]), survival, tf.zeros_like(survival[..., :1])], axis=-1)
        return at_least[..., :-1] - at_least[..., 1:]


def geometric_presence(continue_probability: tf.Tensor, num_slots: int) -> PresenceSequence:
    """The geometric prior of the number of objects, truncated at `num_slots`: section 3.4.

    Args:
        continue_probability: Probability of one more object, scalar in (0, 1); annealed in training, from many objects
            to few.
        num_slots: Number of slots, which is the most objects there can be.
    """
    logit = tf.math.log(continue_probability) - tf.math.log1p(-continue_probability)
    return PresenceSequence(tf.fill([num_slots], logit))


def presence_logits_of_counts(probabilities: tf.Tensor) -> tf.Tensor:
    """The logits with which `PresenceSequence` has the given probabilities of the number of objects.

    Args:
        probabilities: Probabilities of 0 to T objects, float32 `[slots + 1]`, positive.

    Returns:
        Log-odds of one more object after 0 to T - 1 objects, float32 `[slots]`.
    """
    more = tf.math.cumsum(probabilities, exclusive=True, reverse=True)[:-1]  # P(n > t) for t = 0 ... T - 1
    return tf.math.log(more) - tf.math.log(probabilities[:-1])
