import numpy as np
import pytest

from tf_scenes.models.lavae.convex_sprites import ConvexSprites
from tf_scenes.stack import keras


@pytest.fixture
def sprites():
    """Sprites of one level inside, whatever their shape."""
    keras.utils.set_random_seed(0)
    generator = ConvexSprites(sprite_size=31, sprite_channels=1)
    appearance = np.random.RandomState(0).normal(0.0, 3.0, (64, 6)).astype(np.float32)
    generator(appearance)
    for weights in generator._texture.weights:
        weights.assign(np.zeros(weights.shape))
    return generator(appearance).numpy()[..., 0]


def test_sprites_have_the_size_and_channels_asked_for():
    generated = ConvexSprites(sprite_size=21, sprite_channels=3)(np.zeros((5, 4), np.float32)).numpy()
    assert generated.shape == (5, 21, 21, 3)
    assert (generated > 0.0).all()
    assert (generated < 1.0).all()


def test_shapes_are_convex_at_any_cut(sprites):
    """What lies midway between two pixels is in the shape if both are, wherever it is cut."""
    ends = np.random.RandomState(1).randint(0, 31, (2, 20_000, 2))
    first, second = ends[:, ((ends[0] + ends[1]) % 2 == 0).all(axis=-1)]
    middle = (first + second) // 2
    at_first, at_second, midway = (sprites[:, each[:, 0], each[:, 1]] for each in (first, second, middle))
    assert (midway >= np.minimum(at_first, at_second) * (1 - 1e-4)).all()


def test_shapes_differ_with_the_appearance(sprites):
    sizes = (sprites > 0.25).sum(axis=(1, 2))
    assert sizes.std() > 10


def test_the_first_sprites_are_in_the_middle_and_not_too_large():
    sprite = ConvexSprites(sprite_size=31, sprite_channels=1)(np.zeros((1, 4), np.float32)).numpy()[0, ..., 0]
    y, x = np.mgrid[:31, :31] - 15
    assert abs((sprite * y).sum() / sprite.sum()) < 0.1
    assert abs((sprite * x).sum() / sprite.sum()) < 0.1
    assert 4.0 < np.hypot(y, x)[sprite > 0.5 * sprite.max()].max() < 8.0


def test_shapes_have_their_middle_in_the_sprites_middle_wherever_their_distances_are_moved():
    """A displacement adds the first harmonic to a support function: it must change nothing."""
    generator = ConvexSprites(sprite_size=31, sprite_channels=1)
    appearance = np.random.RandomState(0).normal(size=(16, 4)).astype(np.float32)
    centered = generator(appearance).numpy()
    angles = 2.0 * np.pi * np.arange(12) / 12
    bias = generator._distances.bias
    bias.assign(bias + (4.0 * np.sin(angles) - 3.0 * np.cos(angles)).astype(np.float32))
    np.testing.assert_allclose(generator(appearance), centered, atol=1e-4)
