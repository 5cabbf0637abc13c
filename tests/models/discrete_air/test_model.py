"""Discrete-AIR beyond what it shares with AIR."""

import numpy as np
import tensorflow as tf

from tests.models.model_table import ATTENTION, COMMON
from tf_scenes.app.build import build_model
from tf_scenes.models.air.slots import SamplingOptions

HEADS = ("--model=discrete_air", "--discrete_air.pose=joint", "--discrete_air.invariance_heads=2")


def test_the_best_head_gives_the_categories(make_config):
    tf.keras.utils.set_random_seed(0)
    model = build_model(make_config(*COMMON, *HEADS, *ATTENTION), (24, 24, 1))
    model._head_information.assign([0.1, 0.9])
    glimpses = tf.constant(np.random.RandomState(0).uniform(size=(5, 8, 8, 1)).astype(np.float32))
    found = model.infer_object(glimpses, SamplingOptions())
    second = model._all_category_logits(model.encoder(glimpses))[:, 1]
    np.testing.assert_array_equal(found.latents["category"], tf.argmax(second, axis=-1))
