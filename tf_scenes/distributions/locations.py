"""Object locations drawn without replacement: LAVAE, section 2, equations 3 and 11."""

import itertools
from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

# Added to the logits of pixels that are taken: their probability becomes exactly 0 in float32, yet logits stay finite.
_TAKEN_LOGIT = -1e9


class LocationsWithoutReplacement(tfd.Distribution):
    """Sequence of distinct pixels, each a one-hot map of the image, drawn one after another from one map of logits.

    The first location is categorical with probabilities `softmax(logits)`. For each further location, the logits of the
    pixels that are already taken are lowered so far that they cannot be drawn again (equation 11).

    With a `temperature`, samples are Gumbel-softmax relaxations of the one-hot maps, through which gradients reach the
    logits. A relaxed sample takes its largest pixel, so that locations are drawn without replacement at any
    temperature. `log_prob` and `conditional_entropy` always refer to the discrete distribution.

    Departure from the paper, off by default: with `exclusion_radius` r > 0, each location takes the whole square of
    side 2 r + 1 around it, because a broad peak in the map would otherwise give the same object twice. The distribution
    is still normalised.
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
            logits: Logits of the pixels, float `[batch, height, width]`.
            num_objects: Number of locations to draw.
            temperature: Temperature of the Gumbel-softmax relaxation, positive; None draws exact one-hot maps.
            exclusion_radius: Radius of the square that each location takes, in pixels; 0 is the paper's distribution.
            name: Prefix of the names of the created ops.
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
        logits = tf.repeat(self._logits[None], n, axis=0)  # [n, batch, height, width]
        samples = []
        for i in range(self._num_objects):
            flat = tf.reshape(logits, tf.concat([tf.shape(logits)[:2], [-1]], axis=0))
            sample = tf.reshape(self._one_location(flat).sample(seed=seeds[i]), tf.shape(logits))
            sample = tf.cast(sample, self.dtype)
            samples.append(sample)
            logits += _TAKEN_LOGIT * self._taken_pixels(sample)
        return tf.stack(samples, axis=2)  # [n, batch, objects, height, width]

    def _one_location(self, flat_logits: tf.Tensor) -> tfd.Distribution:
        if self._temperature is None:
            return tfd.OneHotCategorical(logits=flat_logits, dtype=self.dtype)
        return tfd.RelaxedOneHotCategorical(self._temperature, logits=flat_logits)

    def sample_pixels(self, counts: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """The first locations of an exact sample, as pixels instead of maps.

        For large images and many objects: memory does not grow with their product, and time only with the locations
        that are asked for.

        Args:
            counts: Number of locations to draw from each map, int32 `[batch]`, at most `num_objects`.
            seed: Random seed, int32 `[2]`.

        Returns:
            Pixels, int32 `[batch, num_objects, 2]`, y then x; those beyond the counts have no meaning.
        """
        batch, height, width = tf.unstack(tf.shape(self._logits))

        def draw(number: tf.Tensor, logits: tf.Tensor, pixels: tf.Tensor) -> tuple[tf.Tensor, ...]:
            own_seed = tf.random.experimental.stateless_fold_in(seed, number)
            flat = tf.random.stateless_categorical(tf.reshape(logits, [batch, -1]), 1, own_seed, dtype=tf.int32)[:, 0]
            pixel = tf.stack([flat // width, flat % width], axis=-1)  # [batch, 2]
            logits += tf.ensure_shape(_TAKEN_LOGIT * self._square(pixel, height, width), logits.shape)
            return number + 1, logits, tf.tensor_scatter_nd_update(pixels, [[number]], pixel[None])

        start = (tf.constant(0), self._logits, tf.zeros([self._num_objects, batch, 2], tf.int32))
        most = tf.reduce_max(counts)
        _, _, pixels = tf.while_loop(lambda number, *_: number < most, draw, start, parallel_iterations=1)
        return tf.transpose(pixels, [1, 0, 2])

    def _taken_pixels(self, maps: tf.Tensor) -> tf.Tensor:
        """The pixels that each map excludes from later draws: `[..., height, width]`, 1 if taken, else 0."""
        shape = tf.shape(maps)
        height, width = shape[-2], shape[-1]
        center = tf.argmax(tf.reshape(maps, tf.concat([shape[:-2], [-1]], axis=0)), axis=-1, output_type=tf.int32)
        return self._square(tf.stack([center // width, center % width], axis=-1), height, width)

    def _square(self, centers: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """The pixels that locations take: `[..., 2]`, y then x -> `[..., height, width]`, 1 if taken, else 0."""
        radius = self._exclusion_radius
        rows = tf.abs(tf.range(height) - centers[..., :1]) <= radius  # [..., height]
        columns = tf.abs(tf.range(width) - centers[..., 1:]) <= radius  # [..., width]
        return tf.cast(rows[..., :, None] & columns[..., None, :], self.dtype)

    def conditional(self, locations: tf.Tensor) -> tfd.OneHotCategorical:
        """The distribution of each location given those before it, q(l_i | l_<i).

        Args:
            locations: Exact or relaxed one-hot maps, `[batch, objects, height, width]`.

        Returns:
            One-hot categorical distributions with batch shape `[batch, objects]` over height x width flattened pixels.
        """
        squares = tf.unstack(self._taken_pixels(locations), num=self._num_objects, axis=1)
        # Not by `tf.cumsum`, which took a tenth of the time of a likelihood on CPUs.
        taken = itertools.accumulate(squares[:-1], tf.maximum, initial=tf.zeros_like(squares[0]))
        logits = self._logits[:, None] + _TAKEN_LOGIT * tf.stack(list(taken), axis=1)  # [batch, objects, height, width]
        shape = tf.shape(logits)
        return tfd.OneHotCategorical(logits=tf.reshape(logits, [shape[0], shape[1], -1]), dtype=self.dtype)

    def log_prob_by_object(self, locations: tf.Tensor) -> tf.Tensor:
        """Log q(l_i | l_<i) of exact one-hot maps: `[batch, objects, height, width]` -> `[batch, objects]`, nats."""
        shape = tf.shape(locations)
        return self.conditional(locations).log_prob(tf.reshape(locations, [shape[0], shape[1], -1]))

    def conditional_entropy(self, locations: tf.Tensor) -> tf.Tensor:
        """Entropy of q(l_i | l_<i) at given locations: `[batch, objects, h, w]` -> `[batch, objects]`, nats."""
        return self.conditional(locations).entropy()

    def _log_prob(self, locations: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(self.log_prob_by_object(locations), axis=-1)


def uniform_log_prob_by_object(num_objects: int, num_pixels: tf.Tensor) -> tf.Tensor:
    """The prior's log p(l_i | l_<i) = -log(HW - i + 1), with i counted from 1: equation 3.

    Args:
        num_objects: Number of locations.
        num_pixels: Number of pixels HW, scalar int.

    Returns:
        Log-probability of each location, float32 `[objects]`, nats.
    """
    return -tf.math.log(tf.cast(num_pixels - tf.range(num_objects), tf.float32))
