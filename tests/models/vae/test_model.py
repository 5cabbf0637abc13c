"""The VAE baseline against its formulas."""

import os

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from tests.conftest import ROOT
from tests.models.model_table import COMMON, MODELS, example_images
from tf_scenes.app.build import build_model
from tf_scenes.stack import keras

IMAGES = tf.constant(example_images())


@pytest.fixture
def model(make_config):
    keras.utils.set_random_seed(0)
    return build_model(make_config(*COMMON, *MODELS["vae"]), (24, 24, 1))


def test_terms_are_the_bernoulli_likelihood_and_the_gaussian_kl(model):
    seed = tf.constant([4, 2])
    (features,) = model.inference_features(IMAGES)
    mean, log_variance = np.split(features.numpy().astype(np.float64), 2, axis=-1)
    kl = 0.5 * (mean**2 + np.exp(log_variance) - 1.0 - log_variance).sum(axis=(1, 2, 3))
    terms = model.elbo_terms(IMAGES, seed)
    np.testing.assert_allclose(terms["kl_latents"], kl, rtol=1e-3)
    # The decoder is the same for descriptions: what it gives for the sample is what the likelihood is taken of.
    sample = model._posterior(model.inference_features(IMAGES)).sample(seed=seed)
    means = model.decode({"latents": sample}, 24, 24).numpy().astype(np.float64)
    log_likelihood = (special.xlogy(IMAGES, means) + special.xlog1py(1 - IMAGES.numpy(), -means)).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(terms["reconstruction"], log_likelihood, rtol=1e-3)


def test_beta_weighs_the_kl_and_rises_from_0_to_1(model):
    for step, beta in ((0, 0.0), (5, 0.5), (10, 1.0), (500, 1.0)):
        loss = model.training_loss(IMAGES, tf.constant(step, tf.int64), tf.constant([0, 0]))
        expected = beta * loss.elbo_terms["kl_latents"] - loss.elbo_terms["reconstruction"]
        np.testing.assert_allclose(loss.per_image, expected, rtol=1e-5)
        assert float(loss.scalars["kl_weight"]) == pytest.approx(beta)


def test_latents_cover_images_of_any_size_and_no_larger_canvas(model):
    latents = model.encode(tf.zeros([2, 17, 40, 1]))["latents"]
    assert latents.shape == (2, 3, 5, 2)
    assert model.decode({"latents": latents}, 17, 40).shape == (2, 17, 40, 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="latents must cover the image"):
        model.decode({"latents": latents}, 25, 40)


def test_the_papers_size_has_about_a_million_parameters(make_config):
    config = make_config(f"--flagfile={os.path.join(ROOT, 'configs', 'vae_paper_multi_dsprites.cfg')}")
    model = build_model(config, (64, 64, 3))
    assert 0.8e6 < sum(np.prod(variable.shape) for variable in model.trainable_variables) < 1.2e6
