"""AIR, the baseline of Discrete-AIR's paper (section 2): an object's appearance is one Gaussian vector, z_what."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tf_scenes.layers.attention import glimpse_trunk
from tf_scenes.layers.templates import ObjectDecoder
from tf_scenes.models.attend_infer_repeat import AttendInferRepeat
from tf_scenes.models.object_inference import Draw, Object

tfd = tfp.distributions


class AIR(AttendInferRepeat):
    """Attend-Infer-Repeat with scale, translation and z_what."""

    def __init__(
        self,
        what_dim: int,
        decoder: ObjectDecoder,
        encoder_units: int,
        encoder_channels: Sequence[int],
        name: str = "air",
        **loop: Any,
    ):
        """Creates the model.

        Args:
            what_dim: dimensions of z_what; the paper's baseline has 50.
            decoder: f_dec(z_what).
            encoder_units: of the glimpse encoder.
            encoder_channels: of its convolutions, see `glimpse_trunk`.
            name: of the model.
            **loop: see `AttendInferRepeat`.
        """
        super().__init__(name=name, **loop)
        self.what_dim = what_dim
        self.decoder = decoder
        self.encoder = glimpse_trunk(encoder_units, encoder_channels)
        self.what_head = tf.keras.layers.Dense(2 * what_dim, dtype="float32", name="what")

    @property
    def num_features(self) -> int:
        """See `AttendInferRepeat.num_features`."""
        return self.what_dim

    def infer_object(self, glimpses: tf.Tensor, draw: Draw) -> Object:
        """See `AttendInferRepeat.infer_object`."""
        mean, raw_stddev = tf.split(self.what_head(self.encoder(glimpses)), 2, axis=-1)
        posterior = tfd.Normal(mean, tf.nn.softplus(raw_stddev) + 1e-4)
        drawn = draw.latent(posterior, tfd.Normal(0.0, 1.0), salt=102)
        what = drawn.value
        return Object({"appearance": what}, what, self.decoder(what), None, {"kl_what": [drawn]}, {})

    def draw_object(self, latents: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """See `AttendInferRepeat.draw_object`."""
        return self.decoder(latents["appearance"])

    def sample_latents(self, num_objects: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `AttendInferRepeat.sample_latents`."""
        return {"appearance": tf.random.stateless_normal([num_objects, self.what_dim], seed)}
