import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from tests.models.model_table import COMMON, MODELS, example_images
from tf_scenes.app.build import build_model
from tf_scenes.models.lavae.likelihood import BernoulliPixels

IMAGES = example_images()


@pytest.fixture(scope="module", autouse=True)
def _seed():
    tf.keras.utils.set_random_seed(0)


@pytest.fixture
def model(make_config):
    return build_model(make_config(*COMMON, *MODELS["lavae"]), (24, 24, 1))


def _set_features(model, monkeypatch, features):
    """Makes the location network give these features, whatever the image."""
    monkeypatch.setattr(model, "location_network", lambda images, training=False: tf.constant(features))


def _features_with_peaks(peaks, batch):
    features = np.zeros((batch, 24, 24), np.float32)
    for image, y, x, height in peaks:
        features[image, y, x] = height
    return features


PEAKS = [(1, 5, 6, 8.0), (2, 5, 6, 8.0), (2, 15, 18, 8.0)]


def test_elbo_terms_by_hand(model, monkeypatch):
    """With peaks so high that sampling has no choice, every term can be computed with NumPy."""
    _set_features(model, monkeypatch, _features_with_peaks(PEAKS, 3))
    model.count_prior.set_weights([np.array([0.5, -0.5, 0.0], np.float32)])
    images = IMAGES[:3]
    terms = {key: value.numpy() for key, value in model.elbo_terms(tf.constant(images), tf.constant([0, 0])).items()}

    np.testing.assert_allclose(terms["kl_count"], -special.log_softmax([0.5, -0.5, 0.0]), rtol=1e-5)
    # Eight times 1.5 log(576) nats above the rest is as good as certain: KL_l = sum of log(HW - i + 1).
    hot = np.log(576), np.log(575)
    # The second of two such peaks competes with the first at the first draw, even odds.
    np.testing.assert_allclose(terms["kl_location"], [0.0, hot[0], sum(hot) - np.log(2)], rtol=1e-4)

    description = model.encode(tf.constant(images), 2)
    features = model.appearance_network(images)
    for image, peaks in ((1, [(5, 6)]), (2, [(5, 6), (15, 18)])):
        maps = np.zeros((1, len(peaks), 24, 24), np.float32)
        for i, (y, x) in enumerate(peaks):
            maps[0, i, y, x] = 1.0
        posterior = model.appearance_network.posterior(features[image : image + 1], maps)
        mean, variance = posterior.mean().numpy(), posterior.variance().numpy()
        kl = 0.5 * np.sum(variance + mean**2 - 1.0 - np.log(variance))
        np.testing.assert_allclose(terms["kl_appearance"][image], kl, rtol=1e-4)
    assert list(description["num_objects"]) == [0, 1, 2]


def test_reconstruction_term_is_the_bernoulli_log_likelihood_of_the_decoded_sample(model, monkeypatch):
    _set_features(model, monkeypatch, _features_with_peaks(PEAKS, 3))
    posterior = model._sample_posterior(model.inference_features(tf.constant(IMAGES[:3])), tf.constant([3, 4]), 2)
    description = {
        "presence": posterior.presence,
        "locations": np.array([[[0, 0], [0, 0]], [[5, 6], [0, 0]], [[0, 0], [0, 0]]], np.float32),
        "appearance": posterior.appearance,
    }
    for image in (0, 1):
        means = np.clip(model.decode(description, 24, 24).numpy()[image].astype(np.float64), 1e-4, 1 - 1e-4)
        expected = np.sum(special.xlogy(IMAGES[image], means) + special.xlog1py(1 - IMAGES[image], -means))
        terms = model.elbo_terms(tf.constant(IMAGES[:3]), tf.constant([3, 4]))
        np.testing.assert_allclose(terms["reconstruction"][image], expected, rtol=1e-4)


def test_forcing_uses_all_slots_and_counting_those_found(model, monkeypatch):
    _set_features(model, monkeypatch, _features_with_peaks(PEAKS, 3))
    for probability, expected in ((1.0, [2, 2, 2]), (0.0, [0, 1, 2])):
        posterior = model._sample_posterior(
            model.inference_features(tf.constant(IMAGES[:3])),
            tf.constant([0, 0]),
            2,
            temperature=tf.constant(0.5),
            forced_probability=tf.constant(probability),
            forcing_seed=tf.constant([0, 1]),
        )
        np.testing.assert_array_equal(tf.reduce_sum(posterior.presence, axis=1), expected)
        np.testing.assert_array_equal(posterior.count, [0, 1, 2])


def test_logits_grow_with_the_logarithm_of_the_image(model):
    small, large = (model._logit_scale(tf.zeros([1, side, side])) for side in (10, 100))
    np.testing.assert_allclose(small, 1.5 * np.log(100), rtol=1e-6)
    np.testing.assert_allclose(large, 2 * small, rtol=1e-6)


def test_encoding_finds_peaks_above_the_threshold_highest_first(model, monkeypatch):
    peaks = [(0, 3, 4, 0.7), (0, 20, 20, 0.9), (0, 12, 12, 0.4), (0, 3, 6, 0.6)]
    _set_features(model, monkeypatch, _features_with_peaks(peaks, 1))
    description = model.encode(tf.constant(IMAGES[:1]), 4)
    np.testing.assert_array_equal(description["num_objects"], [2])
    np.testing.assert_array_equal(description["locations"][0], [[20, 20], [3, 4], [0, 0], [0, 0]])
    np.testing.assert_array_equal(description["appearance"][0, 2:], np.zeros((2, 4)))


def test_decoding_puts_each_present_sprite_at_its_place(model):
    appearance = np.random.RandomState(0).normal(size=(1, 2, 4)).astype(np.float32)
    sprites = model._sprites(tf.constant(appearance), training=False).numpy()[0]
    locations = np.array([[[5, 6], [18, 17]]], np.float32)
    for presence in ([1.0, 1.0], [0.0, 1.0], [0.0, 0.0]):
        description = {"presence": np.array([presence], np.float32), "locations": locations, "appearance": appearance}
        expected = np.zeros((24, 24, 1))
        expected[2:9, 3:10] += presence[0] * sprites[0]
        expected[15:22, 14:21] += presence[1] * sprites[1]
        np.testing.assert_allclose(model.decode(description, 24, 24)[0], expected, atol=1e-5)


def _forced_sample(model, images):
    """A posterior sample with both slots in use, at a temperature so low that it is exact."""
    return model._sample_posterior(
        model.inference_features(tf.constant(images)),
        tf.constant([0, 0]),
        2,
        temperature=tf.constant(0.01),
        forced_probability=tf.constant(1.0),
        forcing_seed=tf.constant([0, 0]),
    )


def test_presence_loss_labels_sprites_by_what_they_gain(model, monkeypatch):
    """A sprite that draws the object is to be counted, one that draws on empty canvas is not."""
    images = np.zeros((1, 24, 24, 1), np.float32)
    images[0, 2:9, 3:10] = 1.0  # Seven pixels wide, as a sprite is.
    _set_features(model, monkeypatch, _features_with_peaks([(0, 5, 6, 2.0), (0, 18, 17, 1.9)], 1))
    posterior = _forced_sample(model, images)
    peaks = posterior.locations.numpy()[0].reshape(2, -1).argmax(axis=1)
    sprites = np.full((1, 2, 7, 7, 1), 0.9, np.float32)
    loss = model._presence_loss(tf.constant(images), posterior, tf.constant(sprites), tf.zeros_like(images))
    scale = 1.5 * np.log(576)
    by_pixel = {5 * 24 + 6: np.log1p(np.exp(-1.5 * scale)), 18 * 24 + 17: np.log1p(np.exp(1.4 * scale))}
    assert set(peaks) == set(by_pixel)
    np.testing.assert_allclose(loss, [sum(by_pixel.values())], rtol=1e-4)


def test_a_duplicate_of_a_drawn_object_is_not_to_be_counted(model, monkeypatch):
    images = np.zeros((1, 24, 24, 1), np.float32)
    images[0, 8:15, 8:15] = 1.0
    _set_features(model, monkeypatch, _features_with_peaks([(0, 11, 11, 2.0), (0, 11, 14, 1.0)], 1))
    posterior = _forced_sample(model, images)
    first = posterior.locations.numpy()[0, 0].reshape(-1).argmax()
    assert first == 11 * 24 + 11
    loss = model._presence_loss(tf.constant(images), posterior, tf.fill([1, 2, 7, 7, 1], 0.9), tf.zeros_like(images))
    scale = 1.5 * np.log(576)
    np.testing.assert_allclose(loss, [np.log1p(np.exp(-1.5 * scale)) + np.log1p(np.exp(0.5 * scale))], rtol=1e-4)


def test_the_auxiliary_vae_rests_once_its_weight_is_zero(model):
    for step, runs in ((0, True), (6, True), (8, False), (90, False)):
        loss = model.training_loss(tf.constant(IMAGES), tf.constant(step, tf.int64), tf.constant([0, 0]))
        assert (float(loss.scalars["auxiliary_elbo"]) != 0.0) == runs
        assert (float(loss.scalars["auxiliary_weight"]) > 0.0) == runs


def test_pixels_are_bernoulli_and_finite_at_the_ends():
    sums = np.array([-1e-7, 0.0, 0.3, 1.0, 2.5], np.float32)
    for value in (0.0, 1.0, 0.4):
        clipped = np.clip(sums.astype(np.float64), 1e-4, 1 - 1e-4)
        expected = value * np.log(clipped) + (1 - value) * np.log(1 - clipped)
        pixels = sums[:, None, None, None]
        log_prob = BernoulliPixels().log_prob(np.full_like(pixels, value), pixels)
        np.testing.assert_allclose(log_prob, expected, rtol=1e-2, atol=1e-6)


def test_calibration_puts_the_threshold_between_objects_and_the_rest(model, monkeypatch):
    """Maxima at squares are 0.9 or 1.4 high, those on the empty canvas 0.3 or 0.7: above the first threshold of 0.5."""
    images = np.zeros((4, 24, 24, 1), np.float32)
    images[:2, 2:9, 3:10] = 1.0
    images[1:3, 15:22, 14:21] = 1.0
    peaks = [
        *((0, 5, 6, 0.9), (0, 18, 17, 0.3), (0, 20, 5, 0.7)),
        *((1, 5, 6, 1.4), (1, 18, 17, 0.9)),
        *((2, 18, 17, 1.4), (2, 5, 6, 0.7)),
        (3, 10, 10, 0.7),
    ]
    _set_features(model, monkeypatch, _features_with_peaks(peaks, 4))
    slots = model.max_objects + 3
    monkeypatch.setattr(model, "_sprites", lambda appearance, training: tf.fill([4, slots, 7, 7, 1], 0.99))
    assert model.encode(tf.constant(images))["num_objects"].numpy().tolist() == [2, 2, 2, 1]
    model.calibrate([tf.constant(images)])
    assert float(model._count_threshold) == pytest.approx(0.8)
    assert model.encode(tf.constant(images))["num_objects"].numpy().tolist() == [1, 2, 1, 0]
