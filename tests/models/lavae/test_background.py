import numpy as np
import pytest
import tensorflow as tf
from scipy.interpolate import CubicSpline

from tf_scenes.models.lavae.background import Background


def _background(spacing, stddev=0.2):
    return Background(image_channels=1, channels=4, spacing=spacing, stddev=stddev)


@pytest.mark.parametrize(("spacing", "grid"), [(8, (5, 8)), (16, (3, 4)), (32, (2, 2)), (None, (1, 1))])
def test_posterior_has_the_grid_of_the_image(spacing, grid):
    background = _background(spacing)
    posterior = background(tf.zeros([3, 40, 57, 1]))
    assert posterior.batch_shape == (3, *grid, 1)
    np.testing.assert_array_equal(background.grid(40, 57), grid)


@pytest.mark.parametrize("spacing", [16, None])
def test_equal_latents_are_a_constant_background(spacing):
    background = _background(spacing, stddev=0.25)
    drawn = background.draw(tf.fill([2, *background.grid(40, 57).numpy(), 1], 1.5), 40, 57)
    np.testing.assert_allclose(drawn, np.full((2, 40, 57, 1), 0.375), rtol=1e-5)


def test_a_smooth_background_passes_through_its_points_and_bends_little_between_them():
    background = _background(16, stddev=1.0)
    middles = np.arange(8) * 16 + 7.5
    values = np.sin(middles / 30.0).astype(np.float32)
    drawn = background.draw(np.tile(values[None, None, :, None], (1, 8, 1, 1)), 128, 128).numpy()[0, :, :, 0]
    spline = CubicSpline(middles, values)(np.arange(20, 108))
    np.testing.assert_allclose(drawn[64, 20:108], spline, atol=0.02)
    assert np.ptp(drawn[:, 50]) < 1e-5


def test_latents_of_another_canvas_are_stretched():
    background = _background(16, stddev=1.0)
    ramp = np.tile(np.linspace(0, 1, 4, dtype=np.float32)[None, None, :, None], (1, 4, 1, 1))
    small, large = background.draw(ramp, 64, 64).numpy(), background.draw(ramp, 128, 128).numpy()
    np.testing.assert_allclose(small[0, 32, ::8, 0], large[0, 64, ::16, 0], atol=0.1)


def test_a_constant_background_does_not_depend_on_place():
    background = _background(None)
    image = np.random.RandomState(0).uniform(size=(1, 64, 64, 1)).astype(np.float32)
    drawn = background.draw(background(image).mean(), 64, 64).numpy()
    assert np.ptp(drawn) == 0.0
