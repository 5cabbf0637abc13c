import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import special, stats
from tensorflow.python.framework import op_callbacks

from tests.models.model_table import COMMON, MODELS, example_images, example_pictures
from tf_scenes.app.build import build_model
from tf_scenes.models.lavae.likelihood import BernoulliPixels
from tf_scenes.models.lavae.placing import convolve_sprites
from tf_scenes.training.callbacks import Calibrate

IMAGES = example_images()
PICTURES = example_pictures()


@pytest.fixture
def model(shared_model):
    """One that takes all maxima above the threshold for objects."""
    return shared_model(*COMMON, *MODELS["lavae"], "--lavae.prunes=false")


@pytest.fixture(params=["smooth", "constant"])
def picture_model(request, shared_model):
    """A model for real pictures, whose background is not its prior's."""
    model = shared_model(*COMMON, *MODELS["lavae_pictures"], f"--lavae.background={request.param}")
    head = model.background._head
    head.kernel.assign(np.random.RandomState(0).normal(0.0, 0.5, head.kernel.shape))
    head.bias.assign([0.7, -1.5])
    return model


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
    images = np.random.RandomState(0).binomial(1, 0.5, (3, *IMAGES.shape[1:])).astype(np.float32)
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
        slots = tf.where(tf.ones([1, len(peaks)]))
        posterior = model.appearance_network.posterior(features[image : image + 1], maps, slots)
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


def _check_forcing(model, monkeypatch, forced):
    """The number of objects is `forced` in each image if it is forced, and otherwise what is found."""
    _set_features(model, monkeypatch, _features_with_peaks(PEAKS, 3))
    for probability, expected in ((1.0, [forced] * 3), (0.0, [0, 1, 2])):
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


def test_forcing_uses_all_slots_and_counting_those_found(model, monkeypatch):
    _check_forcing(model, monkeypatch, forced=2)


def test_fewer_objects_than_the_maximum_can_be_forced(shared_model, monkeypatch):
    model = shared_model(*COMMON, *MODELS["lavae"], "--lavae.prunes=false", "--lavae.forced_objects=1")
    _check_forcing(model, monkeypatch, forced=1)


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


@pytest.mark.parametrize("between", [1, 2, 3])
def test_objects_with_a_faint_sprite_are_left_out_and_those_behind_them_move_up(shared_model, monkeypatch, between):
    """The limit lies between the peaks of one image's four sprites, beside an image with one object."""
    model = shared_model(*COMMON, *MODELS["lavae"], "--lavae.prunes=false")
    peaks = [(0, 3, 4, 0.9), (0, 20, 20, 0.8), (0, 4, 18, 0.7), (0, 12, 12, 0.6), (1, 6, 6, 0.9)]
    _set_features(model, monkeypatch, _features_with_peaks(peaks, 2))
    images = tf.constant(np.stack([IMAGES[2], IMAGES[0]]))
    everything = model.encode(images, 5)
    assert list(everything["num_objects"]) == [4, 1]
    brightest = model._sprites(everything["appearance"]).numpy().max(axis=(2, 3, 4))[0, :4]
    limit = float(np.sort(brightest)[between - 1 : between + 1].mean())
    monkeypatch.setattr(model, "options", dataclasses.replace(model.options, faintest_object=limit))
    kept = brightest > limit
    assert kept.sum() == 4 - between
    description = model.encode(images, 5)
    assert description["num_objects"][0] == 4 - between
    np.testing.assert_array_equal(description["presence"][0], np.arange(5) < 4 - between)
    # What is left out takes no slot: as many objects as slots mean that there may be more.
    assert model.encode(images, 4 - between)["num_objects"][0] == 4 - between
    for name in ("locations", "appearance"):
        np.testing.assert_allclose(description[name][0, : 4 - between], everything[name][0, :4][kept], atol=1e-6)
        assert not np.any(description[name][0, 4 - between :])


def test_decoding_puts_each_present_sprite_at_its_place(model):
    appearance = np.random.RandomState(0).normal(size=(1, 2, 4)).astype(np.float32)
    sprites = model._sprites(tf.constant(appearance)).numpy()[0]
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


def _set_sprites(model, monkeypatch, brightness):
    """All sprites have one brightness."""
    monkeypatch.setattr(
        model, "sprite_generator", lambda appearance, **_: tf.fill([tf.shape(appearance)[0], 7, 7, 1], brightness)
    )


def _presence_loss(model, images, posterior, sprites):
    images = tf.constant(images)
    return model._presence_loss(images, posterior, model.appearance_network(images), sprites, tf.zeros_like(images))


def test_presence_loss_labels_sprites_by_what_they_gain(model, monkeypatch):
    """A sprite that draws the object is to be counted, one that draws on empty canvas is not."""
    images = np.zeros((1, 24, 24, 1), np.float32)
    images[0, 2:9, 3:10] = 1.0  # Seven pixels wide, as a sprite is.
    _set_features(model, monkeypatch, _features_with_peaks([(0, 5, 6, 2.0), (0, 18, 17, 1.9)], 1))
    posterior = _forced_sample(model, images)
    peaks = posterior.locations.numpy()[0].reshape(2, -1).argmax(axis=1)
    loss = _presence_loss(model, images, posterior, tf.fill([2, 7, 7, 1], 0.9))
    scale = 1.5 * np.log(576)
    by_pixel = {5 * 24 + 6: np.log1p(np.exp(-1.5 * scale)), 18 * 24 + 17: np.log1p(np.exp(1.4 * scale))}
    assert set(peaks) == set(by_pixel)
    np.testing.assert_allclose(loss, [sum(by_pixel.values())], rtol=1e-4)


def test_presence_loss_also_tests_the_first_slot_that_is_not_in_use(model, monkeypatch):
    """Three maps, each on an object, of which the first one was counted: the second is to be counted as well."""
    images = np.zeros((1, 24, 24, 1), np.float32)
    centers = [(5, 6), (18, 17), (18, 5)]
    maps = np.zeros((1, 3, 24, 24), np.float32)
    for slot, (y, x) in enumerate(centers):
        images[0, y - 3 : y + 4, x - 3 : x + 4] = maps[0, slot, y, x] = 1.0
    heights = 2.0, 0.3, 0.2
    _set_features(model, monkeypatch, _features_with_peaks([(0, *at, h) for at, h in zip(centers, heights)], 1))
    features = model.inference_features(tf.constant(images))
    posterior = model._sample_posterior(features, tf.constant([0, 0]), 3, temperature=tf.constant(0.01))
    np.testing.assert_array_equal(posterior.in_use, [[0, 0]])
    posterior = posterior._replace(locations=tf.constant(maps))
    _set_sprites(model, monkeypatch, 0.9)
    loss = _presence_loss(model, images, posterior, tf.fill([1, 7, 7, 1], 0.9))
    scale = 1.5 * np.log(576)
    np.testing.assert_allclose(loss, [np.log1p(np.exp(-1.5 * scale)) + np.log1p(np.exp(0.2 * scale))], rtol=1e-4)


def test_a_duplicate_of_a_drawn_object_is_not_to_be_counted(model, monkeypatch):
    images = np.zeros((1, 24, 24, 1), np.float32)
    images[0, 8:15, 8:15] = 1.0
    _set_features(model, monkeypatch, _features_with_peaks([(0, 11, 11, 2.0), (0, 11, 14, 1.0)], 1))
    posterior = _forced_sample(model, images)
    first = posterior.locations.numpy()[0, 0].reshape(-1).argmax()
    assert first == 11 * 24 + 11
    loss = _presence_loss(model, images, posterior, tf.fill([2, 7, 7, 1], 0.9))
    scale = 1.5 * np.log(576)
    np.testing.assert_allclose(loss, [np.log1p(np.exp(-1.5 * scale)) + np.log1p(np.exp(0.5 * scale))], rtol=1e-4)


def test_training_describes_and_draws_slots_in_use_only(model, monkeypatch):
    """What batch normalisation sees, and what takes time; all slots of a batch that shows nothing."""
    generated = []
    generator = model.sprite_generator

    def count(appearance, training=False):
        if training:
            generated.append(len(appearance))
        return generator(appearance, training=training)

    monkeypatch.setattr(model, "sprite_generator", count)
    after_warm_up = tf.constant(90, tf.int64)
    for peaks, slots in ((PEAKS, 3), ([], 6)):
        _set_features(model, monkeypatch, _features_with_peaks(peaks, 3))
        loss = model.training_loss(tf.constant(IMAGES[:3]), after_warm_up, tf.constant([0, 0]))
        assert generated.pop() == slots
        assert np.isfinite(loss.per_image).all()


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


def _squares():
    """Images with squares; peaks at squares are 0.9 or 1.4 high, those on the empty canvas 0.3 or 0.7."""
    images = np.zeros((4, 24, 24, 1), np.float32)
    images[:2, 2:9, 3:10] = 1.0
    images[1:3, 15:22, 14:21] = 1.0
    peaks = [
        *((0, 5, 6, 0.9), (0, 18, 17, 0.3), (0, 20, 5, 0.7)),
        *((1, 5, 6, 1.4), (1, 18, 17, 0.9)),
        *((2, 18, 17, 1.4), (2, 5, 6, 0.7)),
        (3, 10, 10, 0.7),
    ]
    return tf.constant(images), _features_with_peaks(peaks, 4)


def test_calibration_puts_the_threshold_between_objects_and_the_rest(model, monkeypatch):
    images, features = _squares()
    _set_features(model, monkeypatch, features)
    monkeypatch.setattr(
        model, "sprite_generator", lambda appearance, training=False: tf.fill([tf.shape(appearance)[0], 7, 7, 1], 0.99)
    )
    # Above the first threshold of 0.5.
    assert model.encode(images)["num_objects"].numpy().tolist() == [2, 2, 2, 1]
    model.calibrate([images])
    assert float(model._count_threshold) == pytest.approx(0.8)
    assert model.encode(images)["num_objects"].numpy().tolist() == [1, 2, 1, 0]


def test_maxima_that_gain_nothing_are_left_out_whatever_the_threshold(shared_model, monkeypatch):
    model = shared_model(*COMMON, *MODELS["lavae"])
    images, features = _squares()
    _set_features(model, monkeypatch, features)
    monkeypatch.setattr(
        model, "sprite_generator", lambda appearance, training=False: tf.fill([tf.shape(appearance)[0], 7, 7, 1], 0.99)
    )
    seed = tf.constant([0, 0])
    for threshold in (0.1, 0.5):
        model._count_threshold.assign(threshold)
        for encode in (model.encode, tf.function(model.encode, autograph=False)):
            scenes = encode(images)
            assert scenes["num_objects"].numpy().tolist() == [1, 2, 1, 0]
            np.testing.assert_array_equal(scenes["locations"][:3, 0], [[5, 6], [5, 6], [18, 17]])
        assert model.encode(images, seed=seed)["num_objects"].numpy().tolist() == [1, 2, 1, 0]
        counted = model.inference_features(images)[2]
        np.testing.assert_array_equal(counted, [1, 2, 1, 0])
        expected = -model.count_prior.for_range(2).log_prob(counted)
        np.testing.assert_allclose(model.elbo_terms(images, seed)["kl_count"], expected)
    model.calibrate([images])
    assert float(model._count_threshold) == pytest.approx(0.45)  # Half of the lowest square's.


def test_maxima_may_be_closer_where_they_are_put_to_the_test(shared_model, monkeypatch):
    model = shared_model(*COMMON, *MODELS["lavae"], "--lavae.count_window=9", "--lavae.tested_window=7")
    images = np.zeros((1, 24, 24, 1), np.float32)
    images[0, 4:7, 3:10] = images[0, 8:11, 3:10] = 1.0  # Four pixels apart.
    bar = np.zeros((1, 7, 7, 1), np.float32)
    bar[:, 2:5] = 0.99
    monkeypatch.setattr(
        model, "sprite_generator", lambda appearance, training=False: tf.tile(bar, [tf.shape(appearance)[0], 1, 1, 1])
    )
    _set_features(model, monkeypatch, _features_with_peaks([(0, 5, 6, 0.9), (0, 9, 6, 0.8)], 1))
    np.testing.assert_array_equal(model.encode(tf.constant(images))["locations"][0, :2], [[5, 6], [9, 6]])
    np.testing.assert_array_equal(model.inference_features(tf.constant(images))[2], [2])
    model.options = dataclasses.replace(model.options, tested_window=0)
    assert model.encode(tf.constant(images))["num_objects"] == 1


def test_objects_are_moved_to_where_their_sprites_are_drawn_and_inferred_again_there(shared_model, monkeypatch):
    """Every sprite is a block two pixels below its middle and one to the left: at the edge there is nowhere to go."""
    model = shared_model(*COMMON, *MODELS["lavae"], "--lavae.prunes=false", "--lavae.explains_away=false")
    block = np.zeros((7, 7, 1), np.float32)
    block[4:7, 1:4] = 0.9
    monkeypatch.setattr(model, "sprite_generator", lambda appearance, **_: tf.stack(len(appearance) * [block]))
    _set_features(model, monkeypatch, _features_with_peaks([(0, 5, 6, 0.9), (0, 22, 0, 0.8)], 1))
    scene = model.encode(tf.constant(IMAGES[:1]))
    np.testing.assert_array_equal(scene["locations"][0, :2], [[7, 5], [23, 0]])
    there = model.appearance_network.posterior_at(
        model.appearance_network(tf.constant(IMAGES[:1])), tf.constant([[[7, 5], [23, 0]]]), tf.constant([[True, True]])
    )
    np.testing.assert_allclose(scene["appearance"][:, :2], there.mean(), atol=1e-6)


def test_objects_are_inferred_as_if_they_were_alone(shared_model, monkeypatch):
    """What other objects show in an object's patch is taken away before its appearance is inferred again."""
    model = shared_model(*COMMON, *MODELS["lavae"], "--lavae.prunes=false", "--lavae.patch_size=16")
    monkeypatch.setattr(
        model, "sprite_generator", lambda appearance, training=False: tf.ones([tf.shape(appearance)[0], 7, 7, 1])
    )

    def appearances(explains_away, *corners):
        images, peaks = np.zeros((1, 24, 24, 1), np.float32), []
        for number, (y, x) in enumerate(corners):
            images[0, max(0, y) : y + 7, x : x + 7] = 1.0
            peaks.append((0, y + 3, x + 3, 1.0 - 0.1 * number))
        _set_features(model, monkeypatch, _features_with_peaks(peaks, 1))
        model.options = dataclasses.replace(model.options, explains_away=explains_away)
        scene = model.encode(tf.constant(images))
        assert scene["num_objects"] == len(corners)
        return scene["appearance"].numpy()[0, : len(corners)]

    corners = ((6, 3), (-2, 8), (14, 6))  # The second one is cut off by the edge.
    alone = np.concatenate([appearances(False, corner) for corner in corners])
    np.testing.assert_allclose(appearances(True, *corners), alone, atol=1e-5)
    assert np.abs(appearances(False, *corners) - alone).min(axis=1).max() > 1e-4


def test_sprites_of_present_objects_are_drawn_to_their_middle(make_config, monkeypatch):
    model = build_model(make_config(*COMMON, *MODELS["lavae"], "--lavae.forced_probability=1"), (24, 24, 1))
    slots, sprite = model.max_objects, np.zeros((7, 7, 1), np.float32)
    sprite[5, 4] = 0.9  # Two pixels below the middle and one to the right.
    monkeypatch.setattr(model, "sprite_generator", lambda appearance, **_: tf.stack(len(appearance) * [sprite]))
    images, step, seed = tf.constant(IMAGES), tf.constant(90, tf.int64), tf.constant([5, 0])

    def loss(weight):
        model.options = dataclasses.replace(model.options, centering_weight=weight, recenters=False)
        return model.training_loss(images, step, seed).per_image.numpy()

    # The centre of mass is that of the sprite and of a mass of 1 in its middle.
    expected = 10.0 * slots * (2.0**2 + 1.0**2) * (0.9 / 1.9) ** 2
    np.testing.assert_allclose(loss(10.0) - loss(0.0), np.full(len(IMAGES), expected), rtol=1e-3)


def test_scenes_are_drawn_with_appearances_of_objects_once_a_mixture_is_fitted(make_config, monkeypatch):
    """Only what gains more than it costs is an object, and what is drawn looks like one."""
    model = build_model(make_config(*COMMON, *MODELS["lavae"], "--lavae.appearance_mixture=2"), (24, 24, 1))
    images = np.zeros((4, 24, 24, 1), np.float32)
    images[:, 2:9, 3:10] = 1.0
    peaks = [peak for scene in range(4) for peak in ((scene, 5, 6, 0.9), (scene, 18, 17, 0.7))]
    _set_features(model, monkeypatch, _features_with_peaks(peaks, 4))
    slots = model.max_objects + 3
    monkeypatch.setattr(
        model, "sprite_generator", lambda appearance, training=False: tf.fill([tf.shape(appearance)[0], 7, 7, 1], 0.99)
    )

    def posterior_at(features, centers, present):
        at_square = tf.reduce_all(centers == [5, 6], axis=-1, keepdims=True)
        means = tf.where(at_square, 3.0, -9.0) * tf.ones([4, slots, 4])
        return tfp.distributions.Independent(tfp.distributions.Normal(means, 0.1), 1)

    monkeypatch.setattr(model.appearance_network, "posterior_at", posterior_at)
    seed = tf.constant([0, 0])
    before = model.sample_description(400, 24, 24, seed)
    assert tf.boolean_mask(before["appearance"], before["presence"] > 0.5).numpy().std() == pytest.approx(1.0, abs=0.1)
    model.calibrate([tf.constant(images)])
    after = model.sample_description(400, 24, 24, seed)
    appearances = tf.boolean_mask(after["appearance"], after["presence"] > 0.5).numpy()
    np.testing.assert_allclose(appearances.mean(axis=0), 3.0, atol=0.1)
    assert appearances.std(axis=0).max() < 0.3


def _picture_terms(model, number=0, **options):
    images = model.prepare({"images": tf.constant(PICTURES)})
    return model.elbo_terms(images, tf.stack([5, number]), **options)


def test_kl_of_the_background_by_hand(picture_model):
    images = picture_model.prepare({"images": tf.constant(PICTURES)})
    posterior = picture_model.background(images)
    mean, stddev = posterior.mean().numpy().astype(np.float64), posterior.stddev().numpy()
    assert np.ptp(mean) > 1e-3
    expected = np.sum(0.5 * (stddev**2 + mean**2 - 1.0) - np.log(stddev), axis=(1, 2, 3))
    np.testing.assert_allclose(_picture_terms(picture_model)["kl_background"], expected, rtol=1e-5)
    loss = picture_model.training_loss(images, tf.constant(90, tf.int64), tf.constant([5, 0]))
    np.testing.assert_allclose(loss.elbo_terms["kl_background"], expected, rtol=1e-5)


def test_sampled_kl_of_the_background_has_that_mean(picture_model):
    exact = _picture_terms(picture_model)["kl_background"].numpy()
    terms = tf.function(lambda number: _picture_terms(picture_model, number, sampled_kl=True)["kl_background"])
    drawn = np.stack([terms(tf.constant(number)) for number in range(300)]).astype(np.float64)
    assert (np.abs(drawn.mean(axis=0) - exact) < 4.5 * stats.sem(drawn, axis=0)).all()
    assert (drawn.std(axis=0) > 0.01).all()


def test_the_training_loss_has_the_background_s_kl_in_full(picture_model, monkeypatch):
    """Whatever the schedule of the other KL terms."""
    images, seed = picture_model.prepare({"images": tf.constant(PICTURES)}), tf.constant([5, 0])
    bias = picture_model.background._head.bias

    def measured(step):
        loss = picture_model.training_loss(images, tf.constant(step, tf.int64), seed)
        return loss.per_image.numpy(), loss.elbo_terms["kl_background"].numpy()

    # A background that is always 0, whatever its latents: then only its KL can tell that its posterior changes.
    monkeypatch.setattr(picture_model.background, "_stddev", 0.0)
    for step in (0, 90):
        loss, kl = measured(step)
        bias.assign_add([0.5, 0.3])
        other_loss, other_kl = measured(step)
        np.testing.assert_allclose(other_loss - loss, other_kl - kl, rtol=1e-3, atol=2e-3)
        assert np.abs(other_kl - kl).min() > 0.1


def test_gradients_of_background_and_noise_are_differences_of_the_elbo(picture_model):
    def value():
        terms = _picture_terms(picture_model)
        return tf.reduce_mean(terms["reconstruction"] - terms["kl_background"])

    bias = picture_model.background._head.bias
    noise = picture_model.pixels.trainable_variables[0]
    with tf.GradientTape() as tape:
        total = value()
    gradients = tape.gradient(total, [bias, noise])
    step = 1e-2
    for variable, gradient in zip((bias, noise), gradients):
        for index in np.ndindex(*variable.shape):
            shift, before = np.zeros(variable.shape, np.float32), variable.numpy()
            shift[index] = step
            variable.assign(before + shift)
            above = value()
            variable.assign(before - shift)
            below = value()
            variable.assign(before)
            np.testing.assert_allclose(gradient.numpy()[index], (above - below) / (2 * step), rtol=0.02)
    assert all(np.abs(gradient).min() > 0.1 for gradient in gradients)


def test_training_moves_background_and_noise(picture_model):
    images = picture_model.prepare({"images": tf.constant(PICTURES)})
    trained = [*picture_model.background.trainable_variables, *picture_model.pixels.trainable_variables]
    for step in (0, 90):
        with tf.GradientTape() as tape:
            loss = picture_model.training_loss(images, tf.constant(step, tf.int64), tf.constant([0, 0])).per_image
        for gradient in tape.gradient(loss, trained):
            assert np.isfinite(gradient).all() and np.any(gradient)


def test_pictures_are_prepared_by_the_levels_of_the_whole_picture(picture_model):
    levels = np.array([[0.2, 0.5], [0.8, -0.5]] * 4, np.float32)
    expected = (PICTURES.astype(np.float64) - levels[:, 0, None, None, None]) / levels[:, 1, None, None, None]
    expected = np.where(expected > 0, np.clip(expected, 0, 1) ** 0.6, np.maximum(expected, -1))
    np.testing.assert_allclose(picture_model.prepare({"images": PICTURES, "levels": levels}), expected, atol=1e-4)
    # So a crop is prepared as a part of its picture, whatever is in it.
    whole = picture_model.prepare({"images": tf.constant(PICTURES)}).numpy()
    levels = picture_model.encode(tf.constant(PICTURES))["levels"]
    crops = picture_model.prepare({"images": tf.constant(PICTURES[:, 3:11, 2:10]), "levels": levels})
    np.testing.assert_array_equal(crops, whole[:, 3:11, 2:10])
    assert np.abs(picture_model.prepare({"images": PICTURES[:, 3:11, 2:10]}) - crops).max() > 0.1


def test_pictures_are_drawn_as_background_and_sprites_between_their_levels(picture_model):
    random = np.random.RandomState(0)
    appearance = random.normal(size=(2, 1, 4)).astype(np.float32)
    sprites = picture_model._sprites(tf.constant(appearance)).numpy()[:, 0]
    latents = random.normal(0.0, 0.3, (2, *picture_model.background.grid(24, 30).numpy(), 1)).astype(np.float32)
    canvas = picture_model.background.draw(tf.constant(latents), 24, 30).numpy().astype(np.float64)
    canvas[:, 8:15, 17:24] += sprites
    levels = np.array([[0.3, 0.6], [0.7, -0.4]], np.float32)
    restored = np.where(canvas > 0, np.abs(canvas) ** (1 / 0.6), canvas)
    expected = levels[:, 0, None, None, None] + levels[:, 1, None, None, None] * restored
    description = {
        "presence": np.ones((2, 1), np.float32),
        "locations": np.full((2, 1, 2), [11.0, 20.0], np.float32),
        "appearance": appearance,
        "background": latents,
        "levels": levels,
    }
    np.testing.assert_allclose(picture_model.decode(description, 24, 30), expected, atol=1e-4)
    assert expected.min() > 0.0 and expected.max() < 1.0


@pytest.mark.parametrize("ground", [0.0, 0.5])
@pytest.mark.parametrize("levels", [(0.3, 0.2), (0.9, -0.3)])
def test_calibration_is_on_prepared_pictures_and_their_background(picture_model, monkeypatch, ground, levels):
    """As that of black and white images above, but on grey ground that only the background can explain."""
    images = np.full((3, 24, 24, 1), ground, np.float32)
    images[:2, 2:9, 3:10] = 1.0
    images[1:, 15:22, 14:21] = 1.0
    peaks = [(0, 5, 6, 0.9), (0, 18, 17, 0.7), (1, 5, 6, 1.4), (1, 18, 17, 0.9), (2, 18, 17, 1.4), (2, 5, 6, 0.7)]
    _set_features(picture_model, monkeypatch, _features_with_peaks(peaks, 3))
    # These features are for the images as they are.
    monkeypatch.setattr(picture_model, "options", dataclasses.replace(picture_model.options, typical_share=0.0))
    _set_sprites(picture_model, monkeypatch, 0.99 - ground)
    head = picture_model.background._head
    head.kernel.assign(tf.zeros_like(head.kernel))
    head.bias.assign([ground / 0.2, -4.0])
    pictures = levels[0] + levels[1] * tf.constant(images) ** (1 / 0.6)
    calibrate = Calibrate([{"images": pictures, "levels": tf.constant([levels] * 3)}], last_step=0)
    calibrate.set_model(picture_model)
    assert picture_model.encode(pictures)["num_objects"].numpy().tolist() == [2, 2, 2]
    calibrate.on_epoch_end(0)
    assert float(picture_model._count_threshold) == pytest.approx(0.8)
    assert picture_model.encode(pictures)["num_objects"].numpy().tolist() == [1, 2, 1]


def test_pictures_in_colour(make_config):
    model = build_model(make_config(*COMMON, *MODELS["lavae_pictures"], "--lavae.count_threshold=-9"), (24, 24, 3))
    pictures = tf.constant(np.concatenate([PICTURES, PICTURES[:, ::-1], 0.5 * PICTURES], axis=-1))
    description = model.encode(pictures)
    assert description["background"].shape == (8, 3, 3, 3)
    assert description["levels"].shape == (8, 2)
    assert model.decode(description, 24, 24).shape == (8, 24, 24, 3)
    assert model.masks(pictures, description).shape == (8, 24, 24)
    assert set(np.unique(model.masks(pictures, description))) > {0, 1}
    assert np.isfinite(model.train_step({"images": pictures})["loss"])


def test_objects_of_an_enlarged_picture_are_drawn_smaller(picture_model):
    """Its sprites cover an area smaller by the square of the scale, around the same places, and so do its boxes."""
    side = 72
    description = {
        "presence": tf.ones([2, 1]),
        "locations": tf.constant([[[36.0, 36.0]]] * 2),
        "appearance": tf.ones([2, 1, picture_model.options.latent_dim]),
        "background": tf.zeros([2, 9, 9, 1]),
        "levels": tf.constant([[0.0, 1.0]] * 2),
        "scale": tf.constant([1.0, 1.25]),
    }
    drawn = picture_model.decode(description, side, side).numpy()[..., 0] ** 0.6  # Gamma undone.
    sums = drawn.sum(axis=(1, 2))
    assert sums[1] / sums[0] == pytest.approx(1 / 1.25**2, rel=0.02)
    y, x = np.mgrid[:side, :side]
    for image, total in zip(drawn, sums):
        middle = [(grid * image).sum() / total for grid in (y, x)]
        np.testing.assert_allclose(middle, 36.0, atol=0.5)
    ymin, xmin, ymax, xmax = side * picture_model.geometry(description, side, side)["boxes"].numpy()[:, 0].T
    for extent in (ymax - ymin, xmax - xmin):
        assert extent[1] == pytest.approx(extent[0] / 1.25, abs=1.01)


def test_pictures_are_scaled_to_the_typical_share(shared_model):
    """Objects of `encode` are those of the same picture, scaled by hand, in the pixels of the picture itself."""
    flags = (*COMMON, *MODELS["lavae_pictures"], "--lavae.count_threshold=-9", "--max_inferred_objects=6")
    model = shared_model(*flags, "--lavae.background=none")
    plain = shared_model(*flags, "--lavae.background=none", "--lavae.typical_share=0")
    plain.set_weights(model.get_weights())
    pictures = tf.constant(PICTURES)
    found = {name: values.numpy() for name, values in model.encode(pictures).items()}
    assert "scale" not in plain.encode(pictures)
    assert len(set(found["scale"])) > 1
    for number, scale in enumerate(found["scale"]):
        prepared = model.prepare({"images": pictures[number : number + 1]})
        side = round(24 * float(scale))
        scaled = tf.image.resize(prepared, [side, side], antialias=True)
        centers, present, appearance = (values.numpy()[0] for values in plain.finder.find(scaled, scaled, 6))
        np.testing.assert_array_equal(present, found["presence"][number] > 0.5)
        expected = (centers + 0.5) * 24 / side - 0.5
        np.testing.assert_allclose(found["locations"][number][present], expected[present], atol=1e-4)
        np.testing.assert_allclose(found["appearance"][number][present], appearance[present], atol=1e-4)


def _largest_tensor(function):
    """Number of elements of the largest tensor that any operation makes."""
    sizes = []

    def note(op_type, inputs, attributes, outputs, op_name=None, graph=None):
        sizes.extend(int(np.prod(output.shape)) for output in outputs)

    tf.config.run_functions_eagerly(True)
    op_callbacks.add_op_callback(note)
    try:
        function()
    finally:
        op_callbacks.remove_op_callback(note)
        tf.config.run_functions_eagerly(False)
    return max(sizes)


def test_memory_for_large_pictures_does_not_grow_with_objects_times_pixels(picture_model):
    """No tensor of inference, drawing or masks has a number for each pixel of each slot, or a tenth as many."""
    side, slots = 144, 100
    picture_model._count_threshold.assign(-9.0)
    picture = tf.constant(np.tile(PICTURES[2:3], (1, 6, 6, 1)))
    description = picture_model.encode(picture, slots)
    assert int(description["num_objects"][0]) == slots
    limit = slots * side * side // 10
    assert _largest_tensor(lambda: picture_model.encode(picture, slots)) < limit
    assert _largest_tensor(lambda: picture_model.encode(picture, slots, seed=tf.constant([0, 0]))) < limit
    assert _largest_tensor(lambda: picture_model.decode(description, side, side)) < limit
    assert _largest_tensor(lambda: picture_model.masks(picture, description)) < limit
    assert _largest_tensor(lambda: picture_model.geometry(description, side, side)) < limit
    picture_model.options = dataclasses.replace(picture_model.options, prunes=True)
    assert _largest_tensor(lambda: picture_model.encode(picture, slots)) < limit
    # Sprites each on a canvas of its own would be noticed.
    scenes, maps, sprites = tf.zeros([slots], tf.int32), tf.zeros([slots, side, side]), tf.zeros([slots, 7, 7, 1])
    assert _largest_tensor(lambda: convolve_sprites(scenes, maps, sprites, 1)) > limit
