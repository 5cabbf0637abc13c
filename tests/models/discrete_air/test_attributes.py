"""Normalisation of attributes by category, beside the moments of samples."""

import numpy as np
import tensorflow as tf

from tf_scenes.models.discrete_air.attributes import CategoryNormalization

MEANS, STDDEVS = np.float32([[4, -1], [0, 2], [-3, 0]]), np.float32([[0.5, 1], [2, 0.3], [1, 3]])


def _batch(generator, size=2_000):
    categories = generator.integers(0, 3, size)
    means = generator.normal(MEANS[categories], STDDEVS[categories]).astype(np.float32)
    return means, np.eye(3, dtype=np.float32)[categories], categories


def test_of_each_category_means_have_the_priors_moments():
    generator, layer = np.random.default_rng(0), CategoryNormalization(3, 2)
    for _ in range(300):
        means, one_hot, _ = _batch(generator)
        weights = generator.integers(0, 2, len(means)).astype(np.float32)
        means[weights == 0] = 1e3  # What is no object does not count.
        layer.update(means, one_hot, weights)
    means, one_hot, categories = _batch(generator, 30_000)
    normalized = layer(means, one_hot).numpy()
    for category in range(3):
        np.testing.assert_allclose(normalized[categories == category].mean(axis=0), 0, atol=0.1)
        np.testing.assert_allclose(normalized[categories == category].std(axis=0), 1, atol=0.05)


def test_before_any_object_was_seen_means_stay_as_they_are():
    means = np.float32([[0.3, -2], [1, 0]])
    np.testing.assert_allclose(CategoryNormalization(3, 2)(means, np.eye(3, dtype=np.float32)[:2]), means, rtol=1e-3)


def test_statistics_are_constants_to_the_gradient():
    generator, layer = np.random.default_rng(1), CategoryNormalization(3, 2)
    means, one_hot, categories = _batch(generator)
    for _ in range(300):
        layer.update(means, one_hot, np.ones(len(means), np.float32))
    means, one_hot = tf.constant(means), tf.constant(one_hot)
    with tf.GradientTape() as tape:
        tape.watch([means, one_hot])
        layer.update(means, one_hot, tf.ones(len(categories)))
        total = tf.reduce_sum(layer(means, one_hot))
    gradient, of_categories = tape.gradient(total, [means, one_hot])
    assert of_categories is None
    stddevs = np.stack([means.numpy()[categories == category].std(axis=0) for category in range(3)])
    np.testing.assert_allclose(gradient, 1 / stddevs[categories], rtol=0.01)
