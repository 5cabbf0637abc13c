import numpy as np
import pytest

from tf_scenes.models.lavae.networks import AppearanceNetwork, LocationNetwork

RANDOM = np.random.RandomState(0)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("size", [(16, 16), (13, 18)])
def test_location_features_have_the_images_size(strides, size):
    network = LocationNetwork(4, num_blocks=1, strides=strides)
    assert network(RANDOM.uniform(size=(2, *size, 3)).astype(np.float32)).shape == (2, *size)


@pytest.mark.parametrize("strides", [1, 2])
def test_location_features_move_with_the_image(strides):
    network = LocationNetwork(4, num_blocks=1, strides=strides)
    image = np.zeros((1, 48, 48, 1), np.float32)
    image[0, 20:26, 18:23] = 1.0
    moved = np.roll(image, (4, -6), axis=(1, 2))
    features, features_moved = network(image).numpy(), network(moved).numpy()
    np.testing.assert_allclose(
        np.roll(features, (4, -6), axis=(1, 2))[:, 12:-12, 12:-12], features_moved[:, 12:-12, 12:-12], atol=1e-5
    )


@pytest.mark.parametrize("strides", [1, 2])
def test_appearance_posterior_is_the_weighted_sum_of_the_papers_map(strides):
    height, width, latent_dim = 9, 12, 3
    network = AppearanceNetwork(latent_dim, channels=5, num_blocks=1, strides=strides, scale=1.0)
    images = RANDOM.uniform(size=(2, height, width, 1)).astype(np.float32)
    locations = RANDOM.dirichlet(np.ones(height * width), (2, 4)).reshape(2, 4, height, width).astype(np.float32)
    features = network(images)
    posterior = network.posterior(features, locations)
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


@pytest.mark.parametrize("strides", [1, 2])
def test_appearance_at_pixels_is_that_of_one_hot_maps(strides):
    network = AppearanceNetwork(3, channels=5, num_blocks=1, strides=strides, scale=1.0)
    features = network(RANDOM.uniform(size=(2, 9, 12, 1)).astype(np.float32))
    centers = np.array([[[0, 0], [8, 11]], [[3, 4], [5, 1]]], np.int32)
    maps = np.zeros((2, 2, 9, 12), np.float32)
    for b in range(2):
        for i in range(2):
            maps[b, i, centers[b, i, 0], centers[b, i, 1]] = 1.0
    expected, found = network.posterior(features, maps), network.posterior_at(features, centers)
    np.testing.assert_allclose(found.mean(), expected.mean(), atol=1e-5)
    np.testing.assert_allclose(found.variance(), expected.variance(), rtol=1e-4)
