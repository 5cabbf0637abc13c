import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, stats

from tf_scenes.models.lavae.likelihood import BernoulliPixels, GaussianPixels
from tf_scenes.stack import keras


def _pixel(value):
    return tf.reshape(tf.cast(value, tf.float32), [-1, 1, 1, 1])


def test_gaussian_pixels_are_scipys_normal_density():
    random = np.random.RandomState(0)
    images, canvas = random.uniform(size=(2, 3, 5, 7, 2)).astype(np.float32)
    pixels = GaussianPixels(noise=0.2, smallest_noise=0.05)
    expected = stats.norm(canvas, 0.2).logpdf(images).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(pixels.log_prob(images, canvas), expected, rtol=1e-5)


def test_gaussian_pixels_are_a_density():
    pixels = GaussianPixels(noise=0.2, smallest_noise=0.05)
    values = np.linspace(-2, 3, 5001)
    density = np.exp(pixels.log_prob(_pixel(values), _pixel(np.full(5001, 0.4))).numpy())
    assert integrate.simpson(density, x=values) == pytest.approx(1.0, abs=1e-4)


def test_the_noise_is_learned_down_to_its_limit():
    pixels = GaussianPixels(noise=0.3, smallest_noise=0.05)
    errors = np.random.RandomState(0).normal(0.0, 0.1, (16, 16, 16, 1)).astype(np.float32)
    optimizer = keras.optimizers.legacy.Adam(0.05)
    for scale, learned in ((1.0, 0.1), (0.1, 0.05)):
        for _ in range(200):
            optimizer.minimize(
                lambda scale=scale: -tf.reduce_mean(pixels.log_prob(scale * errors, tf.zeros_like(errors))),
                pixels.trainable_variables,
            )
        assert float(pixels.noise) == pytest.approx(learned, rel=0.05)
    assert float(pixels.noise) > 0.05


@pytest.mark.parametrize(
    ("canvas", "image", "expected"),
    # Missed, missed, too much; right where clipped, twice.
    [(0.0, 1.0, 1 / 0.1), (-1e-6, 1.0, 1 / 0.1), (1.3, 0.0, -1 / 0.1), (1.3, 1.0, 0.0), (0.0, 0.0, 0.0)],
)
def test_clipped_bernoulli_pixels_have_a_gradient_where_they_are_wrong(canvas, image, expected):
    assert _gradient(_pixel([canvas]), _pixel([image]))[0, 0, 0, 0] == pytest.approx(expected, rel=1e-5)


def test_a_clipped_pixel_has_no_gradient_beside_what_is_drawn():
    """A lit row of 16 pixels, of which the first 4 are drawn; the same in two colours; and the other way round."""
    lit, drawn = np.ones((1, 1, 16, 2), np.float32), np.zeros((1, 1, 16, 2), np.float32)
    drawn[:, :, :4, 1] = 1.0
    for colour in range(2):
        expected = np.where(np.arange(16) < 7, 0.0, 10.0)
        np.testing.assert_allclose(_gradient(drawn, lit)[0, 0, :, colour], expected, rtol=1e-5)
        np.testing.assert_allclose(_gradient(lit, drawn)[0, 0, :, colour], -expected, rtol=1e-5)


def test_without_that_exception_clipped_pixels_have_no_gradient_and_all_others_the_same():
    canvas, image = _pixel([0.0, 1.3, 0.3, 0.9]), _pixel([1.0, 0.0, 1.0, 0.0])
    np.testing.assert_array_equal(_gradient(canvas, image, missed_gradient=False)[:2], 0.0)
    inside, expected = (_gradient(canvas, image, missed_gradient=missed)[2:] for missed in (False, True))
    np.testing.assert_allclose(inside, expected, rtol=1e-5)
    np.testing.assert_array_equal(
        *(BernoulliPixels(missed_gradient=missed).log_prob(image, canvas) for missed in (False, True))
    )


@pytest.mark.parametrize("missed_gradient", [False, True])
@pytest.mark.parametrize("margin", [1e-5, 1e-2])
def test_the_margin_is_what_dark_and_uncovered_pixels_pay(margin, missed_gradient):
    pixels = BernoulliPixels(margin, missed_gradient)
    canvas, images = _pixel([0.0, 0.0, 1.0, 1.0, 0.3]), _pixel([0.0, 1.0, 0.0, 1.0, 1.0])
    expected = np.log([1 - margin, margin, margin, 1 - margin, 0.3])
    # In float32, 1 - 1e-5 is off by up to 3e-8.
    np.testing.assert_allclose(pixels.log_prob(images, canvas), expected, rtol=4e-3)


def test_a_narrow_margin_leaves_gradients_as_they_are():
    canvas, images = _pixel([5e-5, 2e-4, 0.5, 1.0]), _pixel([0.0, 1.0, 1.0, 1.0])
    expected = _gradient(canvas, images, margin=1e-4)
    np.testing.assert_array_equal(_gradient(canvas, images, margin=1e-6), expected)
    np.testing.assert_allclose(expected.ravel(), [0.0, 5e3, 2.0, 0.0], rtol=1e-5)
    np.testing.assert_allclose(_gradient(canvas, images, margin=1e-3).ravel(), [0.0, 10.0, 2.0, 0.0], rtol=1e-5)


def _gradient(canvas, images, missed_gradient=True, margin=1e-4):
    canvas = tf.constant(canvas)
    with tf.GradientTape() as tape:
        tape.watch(canvas)
        log_prob = BernoulliPixels(margin, missed_gradient).log_prob(tf.constant(images), canvas)
    return tape.gradient(log_prob, canvas).numpy()


def test_the_gradient_inside_is_that_of_the_density():
    canvas = _pixel([0.02, 0.3, 0.97])
    image = _pixel([1.0, 0.0, 0.4])
    step = 1e-3
    differences = (
        stats.bernoulli(canvas.numpy() + step).logpmf(1) - stats.bernoulli(canvas.numpy() - step).logpmf(1),
        stats.bernoulli(canvas.numpy() + step).logpmf(0) - stats.bernoulli(canvas.numpy() - step).logpmf(0),
    )
    expected = (image * differences[0] + (1 - image) * differences[1]) / (2 * step)
    np.testing.assert_allclose(_gradient(canvas, image), expected, rtol=5e-3)
