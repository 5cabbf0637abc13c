import numpy as np
import pytest

from tf_scenes.models.lavae.networks import AppearanceNetwork, LocationNetwork, PatchAppearanceNetwork
from tf_scenes.stack import keras

RANDOM = np.random.RandomState(0)


@pytest.mark.parametrize(("strides", "interpolated"), [(1, False), (2, False), (2, True)])
@pytest.mark.parametrize("size", [(16, 16), (13, 18)])
def test_location_features_have_the_images_size(strides, interpolated, size):
    network = LocationNetwork(4, num_blocks=1, strides=strides, interpolated=interpolated)
    assert network(RANDOM.uniform(size=(2, *size, 3)).astype(np.float32)).shape == (2, *size)


@pytest.mark.parametrize(
    ("strides", "interpolated", "shift"),
    [(1, False, (4, -6)), (1, False, (3, -5)), (2, False, (4, -6)), (2, True, (4, -6))],
)
def test_location_features_move_with_the_image(strides, interpolated, shift):
    """At reduced resolution exactly only by whole cells; by other shifts, see below."""
    network = LocationNetwork(4, num_blocks=1, strides=strides, interpolated=interpolated)
    image = np.zeros((1, 48, 48, 1), np.float32)
    image[0, 20:26, 18:23] = 1.0
    moved = np.roll(image, shift, axis=(1, 2))
    features, features_moved = network(image).numpy(), network(moved).numpy()
    np.testing.assert_allclose(
        np.roll(features, shift, axis=(1, 2))[:, 12:-12, 12:-12], features_moved[:, 12:-12, 12:-12], atol=1e-5
    )


def _peaks(network, shift):
    """Where the features of small blurred discs are highest, relative to the discs."""
    y, x = np.mgrid[:96, :96]
    discs = [(30 + 1, 34), (60, 29 + 1), (64, 67)]
    image = sum(np.exp(-((y - a - shift[0]) ** 2 + (x - b - shift[1]) ** 2) / 18.0) for a, b in discs)
    features = np.abs(network(image[None, ..., None].astype(np.float32)).numpy()[0])
    peaks = []
    for a, b in discs:
        window = features[a + shift[0] - 9 : a + shift[0] + 10, b + shift[1] - 9 : b + shift[1] + 10]
        peaks.append(np.unravel_index(window.argmax(), window.shape))
    return np.array(peaks) - 9


def test_interpolated_features_prefer_no_pixel_of_a_cell():
    """An odd shift moves peaks by one pixel; after a subpixel convolution, they stay where they are or move by two."""
    wrong = {interpolated: [] for interpolated in (False, True)}
    for seed in range(8):
        keras.utils.set_random_seed(seed)
        for interpolated, errors in wrong.items():
            network = LocationNetwork(8, num_blocks=1, strides=2, interpolated=interpolated)
            still = _peaks(network, (0, 0))
            for shift in ((1, 0), (0, 1), (1, 1), (3, 0)):
                errors.extend(np.abs(_peaks(network, shift) - still).max(axis=-1))
    assert np.mean(wrong[True]) < 0.5 and np.mean(wrong[True]) < 0.5 * np.mean(wrong[False])


@pytest.mark.parametrize("strides", [1, 2])
def test_appearances_of_patches_move_with_the_image_by_any_shift(strides):
    network = PatchAppearanceNetwork(3, channels=4, side=8, num_blocks=1, strides=strides, scale=1.0)
    image = np.zeros((1, 30, 30, 2), np.float32)
    image[0, 5:25, 5:25] = RANDOM.uniform(size=(20, 20, 2))
    still = network.posterior_at(network(image), np.array([[[10, 12], [14, 17]]], np.int32), [[True, True]])
    for shift in ((1, 0), (0, -3), (2, 1)):
        moved = np.roll(image, shift, axis=(1, 2))
        centers = np.array([[[10, 12], [14, 17]]], np.int32) + np.array(shift, np.int32)
        found = network.posterior_at(network(moved), centers, [[True, True]])
        np.testing.assert_allclose(found.mean(), still.mean(), atol=1e-6)
        np.testing.assert_allclose(found.variance(), still.variance(), rtol=1e-5)


def test_appearances_of_patches_see_nothing_else():
    network = PatchAppearanceNetwork(3, channels=4, side=8, num_blocks=1, strides=2, scale=1.0)
    image = RANDOM.uniform(size=(1, 20, 24, 1)).astype(np.float32)
    other = RANDOM.uniform(size=image.shape).astype(np.float32)
    other[:, 6:14, 8:16] = image[:, 6:14, 8:16]
    centers = np.array([[[10, 12]]], np.int32)
    first, second = (network.posterior_at(network(each), centers, [[True]]).mean() for each in (image, other))
    np.testing.assert_allclose(first, second, atol=1e-6)


@pytest.mark.parametrize("strides", [1, 2])
def test_appearance_posterior_is_the_weighted_sum_of_the_papers_map(strides):
    height, width, latent_dim = 9, 12, 3
    network = AppearanceNetwork(latent_dim, channels=5, num_blocks=1, strides=strides, scale=1.0)
    images = RANDOM.uniform(size=(2, height, width, 1)).astype(np.float32)
    locations = RANDOM.dirichlet(np.ones(height * width), (2, 4)).reshape(2, 4, height, width).astype(np.float32)
    features = network(images)
    posterior = network.posterior(features, locations, np.argwhere(np.ones((2, 4))))
    assert posterior.batch_shape == (2, 4)
    assert posterior.event_shape == (latent_dim,)

    # The map A itself: at each pixel, a linear function of its cell's features that depends on its place in the cell.
    weights, bias = network.trainable_weights[-2:]
    weights = weights.numpy().reshape(strides, strides, 5, 2 * latent_dim)
    appearance_map = np.zeros((2, height, width, 2 * latent_dim))
    for y in range(height):
        for x in range(width):
            cell = features.numpy()[:, y // strides, x // strides]
            appearance_map[:, y, x] = cell @ weights[y % strides, x % strides] + bias.numpy()
    sums = np.einsum("bnhw,bhwd->bnd", locations, appearance_map)
    np.testing.assert_allclose(posterior.mean(), sums[..., :latent_dim], atol=1e-5)
    np.testing.assert_allclose(posterior.variance(), np.exp(sums[..., latent_dim:]), rtol=1e-4)


@pytest.mark.parametrize("side", [0, 4])
@pytest.mark.parametrize("strides", [1, 2])
def test_appearance_at_pixels_is_that_of_one_hot_maps(strides, side):
    arguments = {"latent_dim": 3, "channels": 5, "num_blocks": 1, "strides": strides, "scale": 1.0}
    network = PatchAppearanceNetwork(side=side, **arguments) if side else AppearanceNetwork(**arguments)
    features = network(RANDOM.uniform(size=(2, 9, 12, 1)).astype(np.float32))
    centers = np.array([[[0, 0], [8, 11]], [[3, 4], [5, 1]]], np.int32)
    maps = np.zeros((2, 2, 9, 12), np.float32)
    for b in range(2):
        for i in range(2):
            maps[b, i, centers[b, i, 0], centers[b, i, 1]] = 1.0
    present = np.array([[True, True], [False, True]])
    expected = network.posterior(features, maps, np.argwhere(present))
    found = network.posterior_at(features, centers, present)
    np.testing.assert_allclose(found.mean()[present], expected.mean()[present], atol=1e-5)
    np.testing.assert_allclose(found.variance()[present], expected.variance()[present], rtol=1e-4)
    if side:  # Where there is no object nothing is inferred.
        for posterior in (expected, found):
            np.testing.assert_array_equal(posterior.mean()[~present], 0.0)
            np.testing.assert_array_equal(posterior.variance()[~present], 1.0)
        nowhere = network.posterior_at(features, centers, np.zeros_like(present))
        np.testing.assert_array_equal(nowhere.mean(), np.zeros((2, 2, 3)))
