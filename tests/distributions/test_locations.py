import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from tf_scenes.distributions.counts import CountPrior
from tf_scenes.distributions.locations import LocationsWithoutReplacement, uniform_log_prob_by_object

HEIGHT, WIDTH, OBJECTS = 2, 3, 3
LOGITS = np.random.RandomState(0).normal(scale=1.5, size=(1, HEIGHT, WIDTH)).astype(np.float32)
PIXELS = HEIGHT * WIDTH
SEQUENCES = list(itertools.permutations(range(PIXELS), OBJECTS))


def _one_hot(sequences):
    return np.eye(PIXELS, dtype=np.float32)[np.array(sequences)].reshape(-1, np.shape(sequences)[1], HEIGHT, WIDTH)


def _enumerated(allowed=lambda pixel, taken: pixel not in taken):
    """Probability of each sequence, by the definition: weights renormalised over what is left."""
    weights = np.exp(LOGITS.reshape(-1).astype(np.float64))
    probabilities = []
    for sequence in SEQUENCES:
        probability = 1.0
        for i, pixel in enumerate(sequence):
            left = [other for other in range(PIXELS) if all(allowed(other, [t]) for t in sequence[:i])]
            probability *= weights[pixel] / weights[left].sum() if pixel in left else 0.0
        probabilities.append(probability)
    return np.array(probabilities)


def _distribution(batch=1, **kwargs):
    return LocationsWithoutReplacement(tf.repeat(tf.constant(LOGITS), batch, axis=0), OBJECTS, **kwargs)


def test_log_prob_is_that_of_brute_force_enumeration():
    expected = _enumerated()
    np.testing.assert_allclose(expected.sum(), 1.0)
    log_probs = _distribution(batch=len(SEQUENCES)).log_prob(_one_hot(SEQUENCES))
    np.testing.assert_allclose(log_probs, np.log(expected), atol=1e-5)


def test_a_pixel_taken_twice_has_no_probability():
    twice = _one_hot([(0, 1, 0)])
    assert np.exp(_distribution().log_prob(twice).numpy()) == 0.0


def test_samples_have_the_enumerated_frequencies():
    count = 20_000
    samples = _distribution().sample(count, seed=[1, 2]).numpy().reshape(count, OBJECTS, PIXELS)
    np.testing.assert_array_equal(samples.sum(axis=-1), 1.0)
    drawn = samples.argmax(axis=-1)
    numbers = {sequence: i for i, sequence in enumerate(SEQUENCES)}
    frequencies = np.bincount([numbers[tuple(sequence)] for sequence in drawn], minlength=len(SEQUENCES))
    assert stats.chisquare(frequencies, _enumerated() * count).pvalue > 0.001


def test_relaxed_samples_become_exact_as_the_temperature_falls():
    count = 20_000
    samples = _distribution(temperature=1e-3).sample(count, seed=[3, 4]).numpy().reshape(count, OBJECTS, PIXELS)
    assert np.mean(samples.max(axis=-1) > 0.999) > 0.99
    numbers = {sequence: i for i, sequence in enumerate(SEQUENCES)}
    frequencies = np.bincount([numbers[tuple(s)] for s in samples.argmax(axis=-1)], minlength=len(SEQUENCES))
    assert stats.chisquare(frequencies, _enumerated() * count).pvalue > 0.001


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_relaxed_samples_never_peak_twice_at_a_pixel(temperature):
    samples = _distribution(temperature=temperature).sample(500, seed=[5, 6]).numpy().reshape(500, OBJECTS, PIXELS)
    np.testing.assert_allclose(samples.sum(axis=-1), 1.0, rtol=1e-5)
    assert all(len(set(peaks)) == OBJECTS for peaks in samples.argmax(axis=-1))


def test_conditional_entropy_by_hand():
    locations = _one_hot([(4, 0, 2)])
    weights = np.exp(LOGITS.reshape(-1).astype(np.float64))
    expected = []
    for taken in ([], [4], [4, 0]):
        left = np.delete(weights, taken)
        expected.append(special.entr(left / left.sum()).sum())
    np.testing.assert_allclose(_distribution().conditional_entropy(locations)[0], expected, rtol=1e-5)


def test_kl_to_the_prior_by_enumeration_and_by_the_estimate_of_the_model():
    probabilities = _enumerated()
    prior = 1.0 / (PIXELS * (PIXELS - 1) * (PIXELS - 2))
    np.testing.assert_allclose(np.exp(np.sum(uniform_log_prob_by_object(OBJECTS, PIXELS))), prior, rtol=1e-5)
    exact = np.sum(probabilities * np.log(probabilities / prior))
    distribution = _distribution(batch=4_000)
    locations = distribution.sample(seed=[7, 8])
    estimates = -distribution.conditional_entropy(locations) - uniform_log_prob_by_object(OBJECTS, PIXELS)
    estimates = np.sum(estimates, axis=1)
    assert abs(estimates.mean() - exact) < 4 * estimates.std() / np.sqrt(4_000)
    by_log_prob = distribution.log_prob(locations).numpy() - np.log(prior)
    assert abs(by_log_prob.mean() - exact) < 4 * by_log_prob.std() / np.sqrt(4_000)
    assert estimates.std() < by_log_prob.std()


def test_exclusion_takes_the_neighbourhood_and_stays_normalised():
    wide = np.random.RandomState(1).normal(size=(1, 1, 7)).astype(np.float32)
    weights = np.exp(wide.reshape(-1).astype(np.float64))
    pairs = [(a, b) for a in range(7) for b in range(7) if abs(a - b) > 1]
    expected = [
        weights[a] / weights.sum() * weights[b] / sum(weights[c] for c in range(7) if abs(a - c) > 1) for a, b in pairs
    ]
    np.testing.assert_allclose(sum(expected), 1.0)
    logits = tf.repeat(tf.constant(wide), len(pairs), axis=0)
    maps = np.eye(7, dtype=np.float32)[np.array(pairs)].reshape(-1, 2, 1, 7)
    log_probs = LocationsWithoutReplacement(logits, 2, exclusion_radius=1).log_prob(maps)
    np.testing.assert_allclose(log_probs, np.log(expected), atol=1e-5)
    samples = LocationsWithoutReplacement(tf.constant(wide), 2, exclusion_radius=1).sample(500, seed=[0, 0])
    peaks = samples.numpy().reshape(500, 2, 7).argmax(axis=-1)
    assert np.abs(peaks[:, 0] - peaks[:, 1]).min() > 1


def test_gradients_reach_the_logits_through_relaxed_samples():
    logits = tf.Variable(LOGITS)
    values = tf.constant(np.arange(PIXELS, dtype=np.float32).reshape(HEIGHT, WIDTH))

    def mean_value():
        samples = LocationsWithoutReplacement(logits, 1, temperature=0.7).sample(4, seed=[9, 9])
        return tf.reduce_sum(samples * values)

    with tf.GradientTape() as tape:
        value = mean_value()
    gradient = tape.gradient(value, logits).numpy().reshape(-1)
    for pixel in range(PIXELS):
        step = np.zeros(PIXELS, np.float32)
        step[pixel] = 1e-2
        logits.assign(LOGITS + step.reshape(LOGITS.shape))
        above = mean_value()
        logits.assign(LOGITS - step.reshape(LOGITS.shape))
        np.testing.assert_allclose((above - mean_value()) / 2e-2, gradient[pixel], atol=2e-2)


def test_shapes():
    distribution = LocationsWithoutReplacement(tf.zeros([5, 4, 6]), 2)
    assert distribution.batch_shape == [5]
    assert distribution.event_shape == [2, 4, 6]
    assert distribution.sample(3, seed=[0, 0]).shape == [3, 5, 2, 4, 6]


def test_count_prior_is_learned_on_its_range_and_uniform_on_others():
    prior = CountPrior(2)
    prior.set_weights([np.array([0.0, 1.0, 2.0], np.float32)])
    learned = special.log_softmax([0.0, 1.0, 2.0])
    for max_objects in (None, 2):
        np.testing.assert_allclose(prior.for_range(max_objects).log_prob([0, 1, 2]), learned, rtol=1e-5)
    np.testing.assert_allclose(prior.for_range(4).log_prob([0, 4]), np.log([0.2, 0.2]), rtol=1e-5)


def test_pixels_are_drawn_as_maps_are():
    """Frequencies of ordered pairs of pixels, beside those of the first two steps by hand."""
    logits = np.array([[[1.0, 0.0, -0.5], [0.3, 0.9, -1.0]]], np.float32)
    draws = 20_000
    distribution = LocationsWithoutReplacement(np.repeat(logits, draws, axis=0), 3)
    pixels = distribution.sample_pixels(tf.fill([draws], 2), tf.constant([3, 4])).numpy()
    assert pixels.shape == (draws, 3, 2)
    first, second = (pixels[:, number, 0] * 3 + pixels[:, number, 1] for number in (0, 1))
    weights = np.exp(logits.ravel())
    for i in range(6):
        for j in range(6):
            expected = 0.0 if i == j else weights[i] / weights.sum() * weights[j] / (weights.sum() - weights[i])
            frequency = np.mean((first == i) & (second == j))
            assert abs(frequency - expected) < 4 * np.sqrt(expected * (1 - expected) / draws) + 1e-9


def test_pixels_keep_their_distance_and_repeat_with_the_seed():
    logits = np.random.RandomState(0).normal(size=(4, 16, 20)).astype(np.float32)
    distribution = LocationsWithoutReplacement(logits, 6, exclusion_radius=2)
    pixels = distribution.sample_pixels(tf.constant([6, 4, 0, 1]), tf.constant([1, 2])).numpy()
    again = distribution.sample_pixels(tf.constant([6, 4, 0, 1]), tf.constant([1, 2])).numpy()
    np.testing.assert_array_equal(pixels, again)
    for number, count in enumerate((6, 4)):
        drawn = pixels[number, :count]
        gaps = np.abs(drawn[:, None] - drawn[None]).max(axis=-1)
        assert gaps[np.triu_indices(count, 1)].min() > 2
