"""Object locations drawn without replacement: LAVAE, section 2, equations 3 and 11."""

from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

# Added to the logits of pixels that are taken: a probability of exactly 0 in float32, and still finite.
_LOW = -1e9


class LocationsWithoutReplacement(tfd.Distribution):
    """Sequence of distinct pixels, each one-hot over an image, drawn in turn from one map of logits.

    The first location is categorical under `softmax(logits)`; each further one under the same logits with those of the
    pixels taken so far set very low (equation 11).

    With a `temperature`, samples are Gumbel-softmax relaxations of the one-hot maps, and gradients reach the logits
    through them; what is taken by a relaxed sample is its largest pixel, so that the sequence is without replacement at
    any temperature. `log_prob` and `conditional_entropy` are those of the discrete distribution in either case.

    Departure from the paper, off by default: `exclusion_radius` r > 0 takes with each pixel the square of side 2 r + 1
    around it, since a broad map otherwise gives the same object twice. It is still a normalised distribution.
    """

    def __init__(
        self,
        logits: tf.Tensor,
        num_objects: int,
        temperature: Optional[tf.Tensor] = None,
        exclusion_radius: int = 0,
        name: str = "LocationsWithoutReplacement",
    ):
        """Creates the distribution.

        Args:
            logits: float `[batch, height, width]`.
            num_objects: how many locations are drawn.
            temperature: of the Gumbel-softmax relaxation, positive; None draws exact one-hot maps.
            exclusion_radius: in pixels; 0 is the paper's distribution.
            name: prefix of the created ops.
        """
        parameters = dict(locals())
        with tf.name_scope(name):
            self._logits = tf.convert_to_tensor(logits)
            self._temperature = temperature
        self._num_objects = num_objects
        self._exclusion_radius = exclusion_radius
        super().__init__(
            dtype=self._logits.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED if temperature is None else tfd.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    def _batch_shape(self) -> tf.TensorShape:
        return self._logits.shape[:1]

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._logits)[:1]

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([self._num_objects]).concatenate(self._logits.shape[1:])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.concat([[self._num_objects], tf.shape(self._logits)[1:]], axis=0)

    def _sample_n(self, n: tf.Tensor, seed: Optional[tf.Tensor] = None) -> tf.Tensor:
        seeds = tfp.random.split_seed(seed, n=self._num_objects, salt="locations")
        free = tf.repeat(self._logits[None], n, axis=0)  # [n, batch, height, width]
        samples = []
        for i in range(self._num_objects):
            flat = tf.reshape(free, tf.concat([tf.shape(free)[:2], [-1]], axis=0))
            sample = tf.reshape(self._one_location(flat).sample(seed=seeds[i]), tf.shape(free))
            sample = tf.cast(sample, self.dtype)
            samples.append(sample)
            free += _LOW * self._taken(sample)
        return tf.stack(samples, axis=2)  # [n, batch, objects, height, width]

    def _one_location(self, flat_logits: tf.Tensor) -> tfd.Distribution:
        if self._temperature is None:
            return tfd.OneHotCategorical(logits=flat_logits, dtype=self.dtype)
        return tfd.RelaxedOneHotCategorical(self._temperature, logits=flat_logits)

    def _taken(self, maps: tf.Tensor) -> tf.Tensor:
        """What each map takes out of play: `[..., height, width]` -> the same shape, 1 where a pixel is taken."""
        shape = tf.shape(maps)
        height, width, radius = shape[-2], shape[-1], self._exclusion_radius
        center = tf.argmax(tf.reshape(maps, tf.concat([shape[:-2], [-1]], axis=0)), axis=-1, output_type=tf.int32)
        rows = tf.abs(tf.range(height) - (center // width)[..., None]) <= radius  # [..., height]
        columns = tf.abs(tf.range(width) - (center % width)[..., None]) <= radius  # [..., width]
        return tf.cast(rows[..., :, None] & columns[..., None, :], self.dtype)

    def conditional(self, locations: tf.Tensor) -> tfd.OneHotCategorical:
        """The distribution of each location given those before it, q(l_i | l_<i).

        Args:
            locations: `[batch, objects, height, width]`, exact or relaxed one-hot maps.

        Returns:
            One-hot categorical with batch shape `[batch, objects]` over height x width flattened pixels.
        """
        taken = tf.cumsum(self._taken(locations), axis=1, exclusive=True)
        logits = self._logits[:, None] + _LOW * tf.minimum(taken, 1.0)  # [batch, objects, height, width]
        shape = tf.shape(logits)
        return tfd.OneHotCategorical(logits=tf.reshape(logits, [shape[0], shape[1], -1]), dtype=self.dtype)

    def log_prob_by_object(self, locations: tf.Tensor) -> tf.Tensor:
        """Log q(l_i | l_<i) of exact one-hot maps: `[batch, objects, height, width]` -> `[batch, objects]`, nats."""
        shape = tf.shape(locations)
        return self.conditional(locations).log_prob(tf.reshape(locations, [shape[0], shape[1], -1]))

    def conditional_entropy(self, locations: tf.Tensor) -> tf.Tensor:
        """Entropy of q(l_i | l_<i) given the locations before: `[batch, objects, h, w]` -> `[batch, objects]`, nats."""
        return self.conditional(locations).entropy()

    def _log_prob(self, locations: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(self.log_prob_by_object(locations), axis=-1)


def uniform_log_prob_by_object(num_objects: int, num_pixels: tf.Tensor) -> tf.Tensor:
    """The prior's log p(l_i | l_<i) = -log(HW - i + 1), i from 1: equation 3.

    Args:
        num_objects: how many locations.
        num_pixels: scalar int, HW.

    Returns:
        float32 `[objects]`, nats.
    """
    return -tf.math.log(tf.cast(num_pixels - tf.range(num_objects), tf.float32))
