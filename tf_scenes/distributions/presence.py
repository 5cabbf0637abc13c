"""The presence of one object after another, z_pres, up to the first absence: Discrete-AIR, sections 2 and 3.1."""

from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


def relaxed_presence_logits(logits: tf.Tensor, temperature: tf.Tensor) -> tfd.Logistic:
    """The Gumbel-sigmoid of equation 5 before its sigmoid, where densities stay finite in float32.

    Args:
        logits: float32, log-odds of presence.
        temperature: positive.
    """
    return tfd.Logistic(logits / temperature, 1.0 / temperature)


class PresenceSequence(tfd.Distribution):
    """z_1 ... z_T in which each object is present with its own probability as long as all before it were.

    z_t = z_{t-1} y_t with z_0 = 1 and independent y_t. Without a temperature y_t is Bernoulli and a sequence is n ones
    followed by zeros. With one, y_t is its relaxation in (0, 1), the Gumbel-sigmoid of equation 5, and so is z_t; the
    density of a sequence is that of y_t = z_t / z_{t-1}, with the change of variables.
    """

    def __init__(self, logits: tf.Tensor, temperature: Optional[tf.Tensor] = None, name: str = "PresenceSequence"):
        """Creates the distribution.

        Args:
            logits: float32 `[..., steps]`, log-odds of each y_t.
            temperature: of the relaxation, positive; None for the exact distribution.
            name: prefix of the created ops.
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
        """Log-odds of each y_t."""
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
            steps = tfd.Bernoulli(logits=self._logits, dtype=self.dtype).sample(n, seed=seed)
        else:
            steps = tf.sigmoid(relaxed_presence_logits(self._logits, self._temperature).sample(n, seed=seed))
        return tf.math.cumprod(steps, axis=-1)

    def _log_prob(self, sequence: tf.Tensor) -> tf.Tensor:
        before = tf.concat([tf.ones_like(sequence[..., :1]), sequence[..., :-1]], axis=-1)
        if self._temperature is None:
            steps = tfd.Bernoulli(logits=self._logits, dtype=self.dtype).log_prob(sequence)
            returned = tf.reduce_any(sequence > before, axis=-1)
            return tf.where(returned, -float("inf"), tf.reduce_sum(before * steps, axis=-1))
        relaxed = tfd.RelaxedBernoulli(self._temperature, logits=self._logits)
        return tf.reduce_sum(relaxed.log_prob(sequence / before) - tf.math.log(before), axis=-1)

    def count_probabilities(self) -> tf.Tensor:
        """Probabilities of n = 0 to T objects, of the exact distribution: float32 `[..., steps + 1]`."""
        survival = tf.math.cumprod(tf.sigmoid(self._logits), axis=-1)  # P(n >= t)
        at_least = tf.concat([tf.ones_like(survival[..., :1]), survival, tf.zeros_like(survival[..., :1])], axis=-1)
        return at_least[..., :-1] - at_least[..., 1:]


def geometric_presence(continue_probability: tf.Tensor, num_steps: int) -> PresenceSequence:
    """The geometric prior of the number of objects, cut off at `num_steps`: section 3.4.

    Args:
        continue_probability: of one more object, scalar in (0, 1); annealed from many objects to few in training.
        num_steps: most objects.
    """
    logit = tf.math.log(continue_probability) - tf.math.log1p(-continue_probability)
    return PresenceSequence(tf.fill([num_steps], logit))


def presence_logits_of_counts(probabilities: tf.Tensor) -> tf.Tensor:
    """The log-odds of one more object after each number of objects that make counts have given probabilities.

    Args:
        probabilities: of 0 to T objects, float32 `[steps + 1]`, positive.

    Returns:
        float32 `[steps]`, what `PresenceSequence` takes.
    """
    more = tf.math.cumsum(probabilities, exclusive=True, reverse=True)[:-1]  # P(n > t) for t = 0 ... T - 1
    return tf.math.log(more) - tf.math.log(probabilities[:-1])
