"""The flagfiles: each describes a model that takes a step of training, traced as for users, here in a small size."""

import glob
import os

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import ROOT
from tests.models.model_table import ATTENTION, LAVAE, examples_for
from tf_scenes.app.build import build_model

NAMES = sorted(os.path.basename(path)[: -len(".cfg")] for path in glob.glob(os.path.join(ROOT, "configs", "*.cfg")))
# Sizes by model; what else a flagfile says stays as it is.
SMALL = {
    "lavae": (*LAVAE[1:], "--lavae.background_spacing=8"),
    "vae": ("--vae.channels=4", "--vae.latent_channels=2"),
    "air": (*ATTENTION, "--air.what_dim=4"),
    "discrete_air": ATTENTION,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_flagfile_describes_a_model_that_learns(name, make_config):
    flags = [f"--flagfile={os.path.join(ROOT, 'configs', name)}.cfg", "--image_size=24", "--sprite_size=8"]
    if name != "smoke":  # It says itself how small it is.
        flags += SMALL[make_config(flags[0]).model]
    config = make_config(*flags, "--steps_per_execution=1", "--precision=float32")
    model = build_model(config, (24, 24, 1))
    images = tf.constant(examples_for("lavae_pictures" if name == "nuclei" else "lavae", count=4))
    batch = {"images": images, **({"levels": tf.constant([[0.2, 0.7]] * 4)} if name == "nuclei" else {})}
    before = [variable.numpy() for variable in model.trainable_variables]
    scalars = tf.function(model.train_step)(batch)
    assert np.isfinite(scalars["loss"])
    changed = [not np.array_equal(*pair) for pair in zip(before, [each.numpy() for each in model.trainable_variables])]
    assert np.mean(changed) > 0.5
