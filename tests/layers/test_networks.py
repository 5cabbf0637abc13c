import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tf_scenes.layers.auxiliary_vae import AuxiliaryVAE, location_target
from tf_scenes.layers.inference import AppearanceNetwork, LocationNetwork
from tf_scenes.layers.residual import ResidualBlock
from tf_scenes.layers.sprite_generator import SpriteGenerator

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


def test_sprites_are_images():
    generator = SpriteGenerator(21, 3, channels=4, num_blocks=2)
    sprites = generator(RANDOM.normal(size=(5, 6)).astype(np.float32), training=True).numpy()
    assert sprites.shape == (5, 21, 21, 3)
    assert sprites.dtype == np.float32
    assert (sprites > 0).all()
    assert (sprites < 1).all()


def test_a_residual_block_with_no_weights_is_the_identity():
    block = ResidualBlock(3)
    inputs = RANDOM.normal(size=(2, 5, 5, 3)).astype(np.float32)
    block(inputs)
    for variable in block.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    np.testing.assert_allclose(block(inputs), inputs)


def test_the_auxiliary_vaes_elbo_adds_up():
    vae = AuxiliaryVAE(1, channels=4, latent_dim=2)
    images = (RANDOM.uniform(size=(3, 18, 20, 1)) > 0.5).astype(np.float32)
    negative_elbo, kl_map = vae(images, seed=[1, 2])
    assert kl_map.shape == (3, 5, 5)
    assert (kl_map.numpy() >= 0).all()
    # At first the decoder knows nothing: about log 2 nats for each pixel, and hardly any KL.
    reconstruction = negative_elbo.numpy() - kl_map.numpy().sum(axis=(1, 2))
    assert (reconstruction > 0.5 * 18 * 20 * np.log(2)).all()
    assert (reconstruction < 3 * 18 * 20 * np.log(2)).all()
    np.testing.assert_array_equal(negative_elbo, vae(images, seed=[1, 2])[0])
    assert (negative_elbo.numpy() != vae(images, seed=[3, 4])[0].numpy()).any()


def test_location_target_is_a_blurred_map_with_peaks_near_one():
    kl_map = np.zeros((2, 16, 16), np.float32)
    kl_map[0, 8, 4] = 400.0
    target = location_target(kl_map, 64, 60, sigma=3.0).numpy()
    assert target.shape == (2, 64, 60)
    assert 0.9 < target[0].max() < 1.0
    np.testing.assert_array_equal(target[1], 0.0)
    peak = np.array(np.unravel_index(target[0].argmax(), (64, 60)))
    assert np.abs(peak - [8 * 4 + 1.5, 4 * 4 + 1.5]).max() <= 0.5  # The middle of the cell of 4 x 4 pixels.
    enlarged = tf.image.resize(kl_map[..., None], [64, 64])[0, :, :60, 0].numpy()
    blurred = ndimage.gaussian_filter(enlarged, 3.0, mode="constant", truncate=3.0)
    np.testing.assert_allclose(target[0], blurred / (blurred.max() + 1.0), atol=1e-4)
