import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tf_scenes.models.lavae.appearance_mixture import AppearanceMixture
from tf_scenes.stack import keras


def test_it_is_the_prior_until_it_is_fitted():
    mixture = AppearanceMixture(3, 2)
    places = np.random.RandomState(0).normal(size=(50, 2)).astype(np.float32)
    expected = stats.multivariate_normal(np.zeros(2), np.eye(2)).logpdf(places)
    np.testing.assert_allclose(mixture.distribution().log_prob(places), expected, rtol=1e-5)
    assert not mixture.trainable_weights


def _two_kinds(count):
    """Posteriors of objects of two kinds, the second of which has a direction along which objects vary."""
    random = np.random.RandomState(0)
    kind = random.uniform(size=count) < 0.25
    means = np.where(kind[:, None], [-3.0, 2.0, 0.0], [4.0, 4.0, 0.0])
    means[kind] += random.normal(size=(kind.sum(), 1)) * [1.0, 1.0, 0.0]
    stddevs = np.tile([0.2, 0.1, 1.0], (count, 1))
    return means.astype(np.float32), stddevs.astype(np.float32)


def test_it_comes_near_the_aggregated_posterior():
    """The kinds, their shares, and their covariances: those of the means, and the posteriors' own."""
    mixture = AppearanceMixture(2, 3)
    mixture.fit(*_two_kinds(4_000), seed=0)
    distribution = mixture.distribution()
    samples = distribution.sample(20_000, seed=(0, 1)).numpy()
    first = samples[:, 0] < 0.5
    assert first.mean() == pytest.approx(0.25, abs=0.02)
    np.testing.assert_allclose(samples[first].mean(axis=0), [-3.0, 2.0, 0.0], atol=0.08)
    expected = [[1.04, 1.0, 0.0], [1.0, 1.01, 0.0], [0.0, 0.0, 1.0]]
    np.testing.assert_allclose(np.cov(samples[first].T), expected, atol=0.1)
    np.testing.assert_allclose(np.cov(samples[~first].T), np.diag([0.04, 0.01, 1.0]), atol=0.05)
    # The gap between the kinds, which the prior would fill.
    assert distribution.log_prob([0.5, 3.0, 0.0]) < -20.0


@pytest.mark.parametrize("objects", [1, 2])
def test_of_fewer_objects_than_components_the_rest_stays_unused(objects):
    means = np.array([[5.0, -5.0], [-5.0, 5.0]], np.float32)[:objects]
    mixture = AppearanceMixture(4, 2)
    mixture.fit(means, np.full_like(means, 0.1), seed=0)
    samples = mixture.distribution().sample(500, seed=(0, 0)).numpy()
    nearest = np.linalg.norm(samples[:, None] - means, axis=-1)
    assert nearest.min(axis=1).max() < 1.5 and set(nearest.argmin(axis=1)) == set(range(objects))


def test_the_same_seed_gives_the_same_mixture():
    mixtures = [AppearanceMixture(2, 3) for _ in range(2)]
    for mixture in mixtures:
        mixture.fit(*_two_kinds(200), seed=4)
    for first, second in zip(*(mixture.get_weights() for mixture in mixtures)):
        np.testing.assert_array_equal(first, second)


def test_its_weights_are_float32_whatever_the_precision():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        mixture = AppearanceMixture(2, 3)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert {weight.dtype for weight in mixture.weights} == {tf.float32}
