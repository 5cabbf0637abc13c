import numpy as np

from tf_scenes.models.lavae.sprite_generator import SpriteGenerator


def test_sprites_are_images():
    generator = SpriteGenerator(21, 3, channels=4, num_blocks=2)
    sprites = generator(np.random.RandomState(0).normal(size=(5, 6)).astype(np.float32), training=True).numpy()
    assert sprites.shape == (5, 21, 21, 3)
    assert sprites.dtype == np.float32
    assert (sprites > 0).all()
    assert (sprites < 1).all()
