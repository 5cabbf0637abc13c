"""A model that draws what can be computed by hand."""

import tensorflow as tf

from tests.models.model_table import ATTENTION, COMMON
from tf_scenes.app.build import build_model


def build_flat_model(make_config):
    """Discrete-AIR with templates that are told apart by their brightness, and an attribute that adds to it."""
    flags = ("--model=discrete_air", "--discrete_air.num_attributes=1", "--discrete_air.num_rotations=4")
    model = build_model(make_config(*COMMON, *flags, *ATTENTION), (24, 24, 1))

    def flat_sprites(categories, attributes):
        level = 0.2 + 0.2 * tf.cast(tf.argmax(categories, axis=-1), tf.float32) + 0.05 * attributes[:, 0]
        return tf.ones([tf.shape(categories)[0], 8, 8, 1]) * level[:, None, None, None]

    model.decoder = flat_sprites
    model.decoder.num_categories, model.decoder.num_attributes = 3, 1
    return model
