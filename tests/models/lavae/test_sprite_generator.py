import numpy as np
import pytest

from tf_scenes.models.lavae.sprite_generator import SpriteGenerator

APPEARANCE = np.random.RandomState(0).normal(size=(5, 6)).astype(np.float32)


@pytest.mark.parametrize("size", [7, 21])
def test_sprites_are_images(size):
    generator = SpriteGenerator(size, 3, channels=4, num_blocks=2)
    sprites = generator(APPEARANCE, training=True).numpy()
    assert sprites.shape == (5, size, size, 3)
    assert sprites.dtype == np.float32
    assert (sprites > 0).all()
    assert (sprites < 1).all()
