"""Presence and category distributions against enumeration, Monte Carlo and their limits."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tf_scenes.distributions.categories import CategoryPosterior, kl_to_uniform
from tf_scenes.distributions.presence import (
    PresenceSequence,
    geometric_presence,
    presence_logits_of_counts,
    relaxed_presence_logits,
)

LOGITS = np.float32([1.2, -0.4, 0.3])
ODDS = 1 / (1 + np.exp(-LOGITS.astype(np.float64)))
SEQUENCES = np.float32([[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]])
# By the definition: present as long as before, then absent.
COUNTS = np.array([1 - ODDS[0], ODDS[0] * (1 - ODDS[1]), ODDS[0] * ODDS[1] * (1 - ODDS[2]), ODDS.prod()])


def test_exact_sequences_have_the_probabilities_of_the_definition():
    sequence = PresenceSequence(LOGITS)
    np.testing.assert_allclose(np.exp(sequence.log_prob(SEQUENCES)), COUNTS, rtol=1e-5)
    np.testing.assert_allclose(sequence.count_probabilities(), COUNTS, rtol=1e-5)
    assert sequence.log_prob([0.0, 1.0, 0.0]).numpy() == -np.inf


@pytest.mark.parametrize("temperature", [None, 0.01])
def test_samples_have_these_frequencies_also_in_the_limit_of_temperature_0(temperature):
    sequence = PresenceSequence(tf.tile(LOGITS[None], [2, 1]), temperature)
    samples = sequence.sample(50_000, seed=[1, 2]).numpy().reshape(-1, 3)
    assert (np.diff(samples, axis=1) <= 0).all()
    frequencies = np.bincount(np.round(samples).sum(axis=1).astype(int), minlength=4) / 1e5
    np.testing.assert_allclose(frequencies, COUNTS, atol=0.006)  # Four standard errors of 1e5 samples.
    if temperature:
        assert np.mean((samples > 0.01) & (samples < 0.99)) < 0.05


def test_relaxed_density_integrates_to_one_and_gives_the_sampled_means():
    sequence = PresenceSequence(LOGITS[:2], temperature=0.7)
    middles = (np.arange(1000) + 0.5) / 1000
    first, ratio = np.meshgrid(middles, middles, indexing="ij")
    points = np.stack([first, first * ratio], -1).astype(np.float32)
    density = np.exp(sequence.log_prob(points).numpy().astype(np.float64)) * first  # dz_2 = z_1 d(ratio)
    np.testing.assert_allclose(density.mean(), 1.0, atol=0.01)
    samples = sequence.sample(100_000, seed=[0, 3]).numpy()
    np.testing.assert_allclose((density[..., None] * points).mean((0, 1)), samples.mean(0), atol=0.01)


def test_relaxed_logits_are_the_density_before_the_sigmoid():
    before = np.linspace(-4, 4, 9).astype(np.float32)
    expected = stats.logistic(loc=0.9 / 0.6, scale=1 / 0.6).logpdf(before)
    np.testing.assert_allclose(relaxed_presence_logits(0.9, 0.6).log_prob(before), expected, rtol=1e-4)


def test_geometric_prior():
    probabilities = geometric_presence(0.3, 4).count_probabilities().numpy()
    expected = stats.geom(0.7, loc=-1).pmf(np.arange(5))
    expected[4] = 1 - expected[:4].sum()
    np.testing.assert_allclose(probabilities, expected, rtol=1e-5)
    few, many = (geometric_presence(p, 3).count_probabilities().numpy() for p in (1e-3, 0.99))
    assert few[0] > 0.99 and many[3] > 0.96


def test_any_distribution_of_counts_is_a_presence_sequence():
    wanted = np.float32([0.1, 0.2, 0.3, 0.15, 0.25])
    sequence = PresenceSequence(presence_logits_of_counts(wanted))
    np.testing.assert_allclose(sequence.count_probabilities(), wanted, rtol=1e-5)


def test_gradients_reach_the_logits_of_relaxed_samples():
    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        mean = tf.reduce_mean(PresenceSequence(logits, 0.5).sample(20_000, seed=[5, 6]), axis=0)
    step, ends = 0.05, []
    for sign in (1, -1):
        moved = PresenceSequence(LOGITS + np.float32([sign * step, 0, 0]), 0.5).sample(20_000, seed=[5, 6])
        ends.append(tf.reduce_sum(tf.reduce_mean(moved, axis=0)))
    np.testing.assert_allclose(tape.gradient(mean, logits)[0], (ends[0] - ends[1]) / (2 * step), rtol=0.01)


def test_categories_relaxed_and_exact():
    logits = np.log(np.float32([[0.6, 0.3, 0.1]]))
    layer = CategoryPosterior()
    exact = layer(tf.constant(logits))
    np.testing.assert_allclose(np.exp(exact.log_prob(np.eye(3, dtype=np.float32))), [0.6, 0.3, 0.1], rtol=1e-5)
    samples = layer(tf.constant(logits), tf.constant(0.02)).sample(50_000, seed=[7, 8]).numpy()[:, 0]
    np.testing.assert_allclose(samples.mean(0), [0.6, 0.3, 0.1], atol=0.01)
    assert np.mean(samples.max(-1) > 0.99) > 0.95
    warm = layer(tf.constant(logits), tf.constant(0.8))
    # The density on the simplex by importance sampling from the uniform one, of density 2.
    points = np.random.RandomState(0).dirichlet([1, 1, 1], 200_000).astype(np.float32)
    np.testing.assert_allclose(np.mean(np.exp(warm.log_prob(points[:, None]))) / 2, 1.0, atol=0.03)


def test_kl_to_uniform_against_monte_carlo():
    logits = np.float32([[0.5, -1.0, 2.0, 0.0]])
    distribution = CategoryPosterior()(tf.constant(logits))
    samples = distribution.sample(100_000, seed=[9, 1])
    estimate = np.mean(distribution.log_prob(samples)) + np.log(4)
    np.testing.assert_allclose(kl_to_uniform(tf.constant(logits))[0], estimate, atol=0.01)
