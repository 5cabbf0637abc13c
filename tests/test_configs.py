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


# What LAVAE's paper does not do, switched off, and what it does where our recipes do something else.
OF_LAVAES_PAPER = {
    "calibration_size": 0,
    "precision": "float32",
    "gradient_clip_norm": 0.0,
    "learning_rate": 1e-3,
    "learning_rate_final": 1e-3,
    "lavae.strides": 1,
    "lavae.patch_size": 0,
    "lavae.sprites": "convolutional",
    "lavae.generated_size": 21,
    "lavae.explains_away": False,
    "lavae.recenters": False,
    "lavae.prunes": False,
    "lavae.centering_weight": 0.0,
    "lavae.exclusion_radius": 0,
    "lavae.presence_weight": 0.0,
    "lavae.missed_gradient": False,
    "lavae.target_blur": 0.0,
    "lavae.forced_probability": 0.1,
    "lavae.forced_objects": 0,
    "lavae.kl_weight": 1.0,
    "lavae.kl_steps": 0,
    "lavae.temperature_final": 0.02,
    "lavae.appearance_mixture": 0,
    "lavae.background": "none",
    "lavae.normalize": False,
    "lavae.likelihood": "bernoulli",
    "lavae.faintest_object": 0.0,
    "lavae.merged_solidity": 1.0,
    "lavae.typical_share": 0.0,
}


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("lavae_paper")])
def test_nothing_of_ours_is_on_in_the_papers_flagfiles(name, make_config):
    flags = make_config(f"--flagfile={os.path.join(ROOT, 'configs', name)}.cfg").flag_values()
    assert {flag: flags[flag] for flag in OF_LAVAES_PAPER} == OF_LAVAES_PAPER


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
