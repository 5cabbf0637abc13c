import numpy as np
import pytest
import tensorflow as tf

from tf_scenes.layers.levels import measure_levels, normalize, restore


def _picture(background, objects, noise, seed=0, side=64):
    """A picture with one bright square of 12 pixels: float32 `[1, side, side, 1]`."""
    random = np.random.RandomState(seed)
    image = np.full((side, side), background) + noise * random.standard_normal((side, side))
    image[20:32, 30:42] = objects
    return image[None, ..., None].astype(np.float32)


def test_levels_are_numpys_quantiles():
    image = _picture(0.2, 0.8, 0.01)
    background, contrast = measure_levels(image).numpy()[0]
    assert background == pytest.approx(np.quantile(image, 0.5), abs=1e-3)
    assert contrast == pytest.approx(np.quantile(image, 0.998) - background, abs=1e-3)


def test_each_picture_has_its_own_levels():
    images = np.concatenate([_picture(0.1, 0.3, 0.001), _picture(0.5, 0.9, 0.001), _picture(0.9, 0.2, 0.001)])
    np.testing.assert_allclose(measure_levels(images), [[0.1, 0.2], [0.5, 0.4], [0.9, -0.7]], atol=0.01)


def test_darker_objects_have_a_negative_contrast_and_are_normalised_like_brighter_ones():
    bright = _picture(0.2, 0.8, 0.005)
    for image in (bright, 1.0 - bright):
        normalized = normalize(image, measure_levels(image), 0.6).numpy()[0, ..., 0]
        assert normalized[20:32, 30:42].min() > 0.99
        assert abs(np.median(normalized)) < 0.02
    np.testing.assert_allclose(
        normalize(bright, measure_levels(bright)), normalize(1.0 - bright, measure_levels(1.0 - bright)), atol=1e-4
    )


@pytest.mark.usefixtures("optimised_graphs")
def test_a_graph_gives_what_eager_execution_gives():
    images = np.concatenate([_picture(0.1, 0.3, 0.01), _picture(0.5, 0.9, 0.01), _picture(0.9, 0.2, 0.01)])

    def there_and_back(images):
        levels = measure_levels(images)
        normalized = normalize(images, levels, 0.6)
        return normalized, restore(normalized, levels, 0.6)

    for eager, graph in zip(there_and_back(images), tf.function(there_and_back)(images)):
        np.testing.assert_allclose(graph, eager, atol=1e-5)


def test_noise_without_objects_stays_noise():
    noise = np.random.RandomState(0).normal(0.3, 0.02, (1, 96, 96, 1)).astype(np.float32)
    contrast = float(measure_levels(noise)[0, 1])
    assert abs(contrast) == pytest.approx(10 * 0.02, rel=0.05)
    assert normalize(noise, measure_levels(noise)).numpy().std() < 0.12


def test_levels_follow_the_unit_of_the_picture():
    image = _picture(0.2, 0.8, 0.01)
    for unit in (0.25, 1e-3, 1e-9, 3e4):
        np.testing.assert_allclose(measure_levels(image * unit), measure_levels(image) * unit, rtol=1e-4)


def test_eighty_counts_of_16_bits_are_a_contrast():
    image = np.round(_picture(100.0, 180.0, 1.0)) / np.float32(65535)
    np.testing.assert_allclose(measure_levels(image) * 65535, [[100.0, 80.0]], atol=3.0)


def test_noise_of_few_counts_stays_noise():
    """Most neighbours are equal, so that the median difference is 0."""
    counts = np.random.RandomState(0).poisson(0.3, (1, 96, 96, 1)).astype(np.float32)
    assert np.median(np.abs(np.diff(counts, axis=2))) == 0.0
    assert float(measure_levels(counts / 255.0)[0, 1]) * 255.0 == pytest.approx(10.0 * np.sqrt(0.3), rel=0.35)


def test_a_picture_of_one_value_has_a_contrast():
    for value in (0.4, 0.0):
        image = np.full((1, 16, 16, 3), value, np.float32)
        levels = measure_levels(image)
        np.testing.assert_array_equal(normalize(image, levels), tf.zeros_like(image))
        assert abs(float(levels[0, 1])) > 0.0


@pytest.mark.parametrize("gamma", [1.0, 0.6])
@pytest.mark.parametrize("contrast", [0.5, -0.3])
def test_restoring_undoes_normalising(gamma, contrast):
    levels = tf.constant([[0.4, contrast]])
    inside = 0.4 + contrast * np.random.RandomState(0).uniform(-0.9, 1.0, (1, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(restore(normalize(inside, levels, gamma), levels, gamma), inside, atol=1e-5)
