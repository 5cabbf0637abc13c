import numpy as np
import tensorflow as tf
from scipy import ndimage

from tf_scenes.models.lavae.auxiliary_vae import AuxiliaryVAE, location_target

RANDOM = np.random.RandomState(0)


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
    sharp = location_target(kl_map, 64, 60, sigma=0.0)
    np.testing.assert_allclose(sharp[0], enlarged / (enlarged.max() + 1.0), rtol=1e-6)
