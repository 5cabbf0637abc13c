"""The importance-weighted bound where log p(x) is known."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import special, stats

from tests.models.model_table import ATTENTION, COMMON, LARGE, MODELS, examples_for
from tf_scenes.app.build import build_model
from tf_scenes.evaluation.likelihood import importance_weighted_bound, likelihood
from tf_scenes.stack import keras
from tf_scenes.training.trainable_model import elbo

tfd = tfp.distributions

# Every latent of these models is summed over a grid or drawn from the prior many times: images are tiny.
SIDE = 8
IMAGE = np.zeros((1, SIDE, SIDE, 1), np.float32)
IMAGE[0, 2:6, 3:6] = 1.0
COPIES = 400

# One for all tests, so that it is traced once for each model.
bound = tf.function(importance_weighted_bound)


@pytest.fixture
def build(make_config):
    def build_by_name(name, *flags, side=SIDE):
        keras.utils.set_random_seed(0)
        return build_model(make_config(*COMMON, *MODELS[name], *flags), (side, side, 1))

    return build_by_name


def _bounds(model, num_samples, copies=COPIES):
    """Independent estimates of the bound of one image."""
    images = tf.constant(np.repeat(IMAGE, copies, axis=0))
    bounds, _ = bound(model, images, tf.constant(num_samples), tf.constant([3, num_samples]))
    return bounds.numpy().astype(np.float64)


def _assert_rises_to(model, log_likelihood, most, tolerance):
    means, errors = zip(*((bounds.mean(), stats.sem(bounds)) for bounds in (_bounds(model, k) for k in (1, 10, most))))
    assert means[0] < means[1] + 3 * np.hypot(errors[0], errors[1])
    assert means[1] < means[2] + 3 * np.hypot(errors[1], errors[2])
    assert means[0] < log_likelihood
    assert all(mean < log_likelihood + 4 * error for mean, error in zip(means, errors))
    assert means[2] == pytest.approx(log_likelihood, abs=tolerance + 4 * errors[2])


def _grid(dimensions, points=61, limit=5.0):
    """Points of a standard normal's grid, `[points ** dimensions, dimensions]`, and their log-masses."""
    axis = np.linspace(-limit, limit, points)
    grid = np.stack(np.meshgrid(*[axis] * dimensions, indexing="ij"), axis=-1).reshape(-1, dimensions)
    log_mass = stats.norm.logpdf(grid).sum(axis=1)
    return grid.astype(np.float32), log_mass - special.logsumexp(log_mass)


def _bernoulli(images, means):
    means = np.clip(means.astype(np.float64), 1e-4, 1 - 1e-4)
    return (images * np.log(means) + (1 - images) * np.log1p(-means)).sum(axis=(1, 2, 3))


def test_vae_against_the_sum_over_a_grid_of_latents(build):
    model = build("vae")
    for variable in model.decoder.trainable_variables:  # Latents must matter.
        variable.assign(variable * 2.0)
    grid, log_mass = _grid(2)
    means = model.decode({"latents": tf.reshape(grid, [-1, 1, 1, 2])}, SIDE, SIDE).numpy()
    exact = special.logsumexp(log_mass + _bernoulli(IMAGE, means))
    _assert_rises_to(model, exact, most=300, tolerance=0.05)


@pytest.mark.slow
def test_lavae_against_the_sum_over_locations_and_a_grid_of_appearances(build):
    """With one object: LAVAE's posterior knows one number of objects, so the bound meets log p(x, n)."""
    model = build("lavae", "--lavae.latent_dim=1", "--max_objects=1")
    model._count_threshold.assign(-1e3)  # Everything counts: n = 1.
    for variable in model.sprite_generator.trainable_variables:
        variable.assign(variable * 1.5)
    grid, log_mass = _grid(1, points=201)
    description = {
        "presence": np.ones((len(grid), 1), np.float32),
        "appearance": grid[:, None, :],
    }
    log_terms = []
    for y in range(SIDE):
        for x in range(SIDE):
            places = np.tile(np.array([y, x], np.float32), (len(grid), 1, 1))
            means = model.decode({**description, "locations": places}, SIDE, SIDE).numpy()
            log_terms.append(special.logsumexp(log_mass + _bernoulli(IMAGE, means)) - np.log(SIDE * SIDE))
    log_count = np.log(0.5)  # The prior of counts begins uniform on 0 and 1.
    assert int(model.encode(tf.constant(IMAGE), 1)["num_objects"][0]) == 1
    _assert_rises_to(model, special.logsumexp(log_terms) + log_count, most=2_000, tolerance=0.1)


def _is_head(name):
    return any(f"{head}/kernel" in name for head in ("what", "categories", "attributes", "pose"))


@pytest.mark.slow_for(*LARGE)
@pytest.mark.parametrize("name", ["air", "discrete_air"])
def test_air_and_discrete_air_against_draws_from_the_prior(build, name):
    # One matrix for rotation and skew, since the posterior of an angle alone is too narrow to cover the circle.
    pose = ("--discrete_air.pose=joint",) if name == "discrete_air" else ()
    model = build(name, "--max_objects=1", "--attention.pixel_stddev=2", *ATTENTION, *pose)
    # So is that of z_where in an untrained model, and posteriors of the rest are off the prior.
    mean, stddev = model.attention.prior_mean() + 0.2, tf.constant([0.6, 1.1, 1.1])
    model._where_posterior = lambda *_: tfd.Normal(tf.tile(mean[None], [COPIES, 1]), stddev)
    for kernel in (variable for variable in model.trainable_variables if _is_head(variable.name)):
        kernel.assign(0.1 * kernel)
    description = model.sample_description(60_000, SIDE, SIDE, tf.constant([0, 7]))
    # Decoding for pictures clips to [0, 1]; one object's sprite lies in it.
    means = np.concatenate(
        [
            model.decode({key: value[i : i + 10_000] for key, value in description.items()}, SIDE, SIDE)
            for i in range(0, 60_000, 10_000)
        ]
    ).astype(np.float64)
    log_likelihoods = stats.norm.logpdf(IMAGE, means, 2.0).sum(axis=(1, 2, 3))
    exact = special.logsumexp(log_likelihoods) - np.log(len(means))
    _assert_rises_to(model, exact, most=1_000, tolerance=0.03)


@pytest.mark.slow_for("lavae", *LARGE)
@pytest.mark.parametrize("name", MODELS)
def test_one_sample_estimates_the_elbo(build, name):
    model = build(name, side=24)
    images = model.prepare({"images": tf.constant(examples_for(name))})

    @tf.function
    def estimates(seed):
        return elbo(model.elbo_terms(images, seed)), importance_weighted_bound(model, images, 1, seed)[0]

    draws = np.stack([np.stack(estimates(tf.constant([0, i]))) for i in range(100)]).astype(np.float64)
    difference = draws[:, 0] - draws[:, 1]
    error = stats.sem(difference, axis=0)
    assert (np.abs(difference.mean(axis=0)) < 4.5 * error + 1e-3 * np.abs(draws).max()).all()


def test_a_split_is_measured_with_its_standard_error(build, small_scenes):
    model = build("vae", side=24)
    measured, bounds = likelihood(model, small_scenes, "test", num_images=30, num_samples=3, batch_size=8)
    assert measured["images"] == 30 and measured["samples"] == 3
    assert measured["bound"] > measured["elbo"]
    parts = []  # [batches][bound, first draw][images]
    for number, batch in enumerate(small_scenes.evaluation_batches("test", 8, limit=30)):
        seed = tf.constant([10_100, number])
        (of_three, _), (of_one, _) = (importance_weighted_bound(model, batch["images"], k, seed) for k in (3, 1))
        parts.append(np.stack([of_three, of_one]))
    values, elbos = np.concatenate(parts, axis=1)
    np.testing.assert_allclose(bounds["bound"], values, rtol=1e-4)
    np.testing.assert_allclose(bounds["elbo"], elbos, rtol=1e-4)
    assert measured["bound"] == pytest.approx(values.mean(), rel=1e-4)
    assert measured["elbo"] == pytest.approx(bounds["elbo"].mean())
    assert measured["bound_standard_error"] == pytest.approx(values.std(ddof=1) / np.sqrt(30), rel=1e-3)
