"""AIR, the baseline of Discrete-AIR's paper (section 2): an object's appearance is a single Gaussian vector, z_what."""

from collections.abc import Mapping
from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp
from typing_extensions import override

from tf_scenes.descriptions import APPEARANCE
from tf_scenes.layers import gaussian
from tf_scenes.models.air.attention import glimpse_trunk
from tf_scenes.models.air.decoder import ObjectDecoder
from tf_scenes.models.air.loop import AttendInferRepeat, glimpse_channels
from tf_scenes.models.air.options import AirOptions, AttentionOptions
from tf_scenes.models.air.slots import Object, Pose, SamplingOptions
from tf_scenes.models.scene_model import SceneSpec
from tf_scenes.stack import keras

tfd = tfp.distributions


class AIR(AttendInferRepeat):
    """Attend-Infer-Repeat; each object has a scale, a translation and z_what."""

    def __init__(self, attention: AttentionOptions, options: AirOptions, scenes: SceneSpec, name: str = "air"):
        """Creates the model.

        Args:
            attention: Options of the loop over objects.
            options: Options of AIR.
            scenes: Scenes that the model is for.
            name: Name of the model.
        """
        super().__init__(attention, scenes, name=name)
        self.options = options
        channels = scenes.image_shape[-1]
        self.decoder = ObjectDecoder(attention.glimpse_size, channels, attention.decoder_units, name="decoder")
        self.encoder = glimpse_trunk(attention.encoder_units, glimpse_channels(attention))
        self.what_head = keras.layers.Dense(2 * options.what_dim, dtype="float32", name="what")

    @property
    @override
    def num_features(self) -> int:
        return self.options.what_dim

    @override
    def infer_object(self, glimpses: tf.Tensor, sampling: SamplingOptions, pose: Optional[Pose] = None) -> Object:
        posterior = gaussian.from_softplus(self.what_head(self.encoder(glimpses)))
        what = sampling.latent(posterior, tfd.Normal(0.0, 1.0), "what")
        return Object(
            latents={APPEARANCE: what.value},
            features=what.value,
            sprite=self.decoder(what.value),
            draws={"kl_what": [what]},
            loss_inputs={},
        )

    @override
    def draw_object(self, latents: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return self.decoder(latents[APPEARANCE])

    @override
    def sample_latents(self, num_objects: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        return {APPEARANCE: tf.random.stateless_normal([num_objects, self.options.what_dim], seed)}
