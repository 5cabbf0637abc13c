import numpy as np
import pytest
from scipy import special

from tf_scenes.models.lavae.sprite_generator import SpriteGenerator

APPEARANCE = np.random.RandomState(0).normal(size=(5, 6)).astype(np.float32)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("size", [7, 21])
def test_sprites_are_images(size, strides):
    generator = SpriteGenerator(size, 3, channels=4, num_blocks=2, strides=strides)
    sprites = generator(APPEARANCE, training=True).numpy()
    assert sprites.shape == (5, size, size, 3)
    assert sprites.dtype == np.float32
    assert (sprites > 0).all()
    assert (sprites < 1).all()


@pytest.mark.parametrize("strides", [1, 2])
def test_sprites_fade_with_the_square_of_the_distance_from_their_middle(strides):
    plain, fading = (SpriteGenerator(9, 1, channels=4, num_blocks=1, strides=strides, fade=fade) for fade in (0.0, 3.0))
    sprites, _ = (generator(APPEARANCE) for generator in (plain, fading))
    fading.set_weights(plain.get_weights())
    y, x = np.mgrid[-1:1:9j, -1:1:9j]
    faded = special.logit(sprites.numpy().astype(np.float64)) - 3.0 * (y**2 + x**2)[..., None]
    np.testing.assert_allclose(fading(APPEARANCE), special.expit(faded), rtol=1e-4)
