import numpy as np
import tensorflow as tf
from scipy import stats

from tf_scenes.layers import gaussian

RANDOM = np.random.RandomState(0)
MEANS, SPREADS = RANDOM.normal(size=(2, 3, 5, 4)).astype(np.float32) * 3.0
PARAMETERS = tf.constant(np.concatenate([MEANS, SPREADS], axis=-1))
VALUES = RANDOM.normal(size=MEANS.shape).astype(np.float32)


def _assert_alike(posterior, expected):
    assert posterior.batch_shape == MEANS.shape
    np.testing.assert_allclose(posterior.mean(), expected.mean(), rtol=1e-6)
    np.testing.assert_allclose(posterior.stddev(), expected.std(), rtol=1e-5)
    np.testing.assert_allclose(posterior.log_prob(VALUES), expected.logpdf(VALUES), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(posterior.entropy(), expected.entropy(), rtol=1e-4, atol=1e-5)


def test_a_softplus_gives_standard_deviations():
    _assert_alike(gaussian.from_softplus(PARAMETERS), stats.norm(MEANS, np.logaddexp(0.0, SPREADS) + 1e-4))


def test_densities_of_a_softplus_stay_finite_however_sure_it_is():
    sure = gaussian.from_softplus(tf.constant([[0.5, -200.0]]))
    np.testing.assert_allclose(sure.stddev(), [[1e-4]], rtol=1e-5)
    np.testing.assert_allclose(sure.log_prob(0.5), [[stats.norm(0.5, 1e-4).logpdf(0.5)]], rtol=1e-5)


def test_logarithms_of_variances():
    _assert_alike(gaussian.from_log_variance(PARAMETERS), stats.norm(MEANS, np.sqrt(np.exp(SPREADS))))


def test_logarithms_of_variances_can_be_clipped():
    clipped = np.clip(SPREADS, -1.5, 0.5)
    assert 0.2 < (clipped != SPREADS).mean() < 0.9
    posterior = gaussian.from_log_variance(PARAMETERS, log_variance_range=(-1.5, 0.5))
    _assert_alike(posterior, stats.norm(MEANS, np.sqrt(np.exp(clipped))))
