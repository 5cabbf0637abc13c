import numpy as np
import tensorflow as tf

from tf_scenes.models.lavae.masks import label_images, mean_areas

LEVEL_AREA = 37.5


def _disc(radius, peak, side=15):
    y, x = np.mgrid[:side, :side] - side // 2
    return (peak * np.clip(1.5 - np.hypot(y, x) / radius, 0, 1))[..., None]


def _canvas(scenes, centers, sprites, shape):
    padded = np.zeros((shape[0], shape[1] + 14, shape[2] + 14, 1))
    for scene, (y, x), sprite in zip(scenes, centers, sprites):
        padded[scene, y : y + 15, x : x + 15] += sprite
    return padded[:, 7:-7, 7:-7]


def _labels(contrast, scenes, labels, centers, sprites, slope=0.0):
    return label_images(
        tf.constant(contrast, tf.float32),
        tf.constant(scenes, tf.int32),
        tf.constant(labels, tf.int32),
        tf.reshape(tf.constant(centers, tf.int32), [-1, 2]),
        tf.constant(sprites, tf.float32),
        outline_level=0.4,
        outline_slope=slope,
        level_area=LEVEL_AREA,
    ).numpy()


def _by_brute_force(contrast, scenes, labels, centers, sprites):
    """The documented rule, pixel by pixel."""
    shape = contrast.shape[:3]
    shares = np.zeros((len(sprites), *shape))
    for number, (scene, (y, x), sprite) in enumerate(zip(scenes, centers, sprites)):
        share = sprite.max(axis=-1) / sprite.max()
        for i in range(15):
            for j in range(15):
                if 0 <= y + i - 7 < shape[1] and 0 <= x + j - 7 < shape[2]:
                    shares[number, scene, y + i - 7, x + j - 7] = share[i, j]
    result = np.zeros(shape, np.int32)
    owner, largest = shares.argmax(axis=0), shares.max(axis=0)
    for number, label in enumerate(labels):
        level = contrast[..., 0][(owner == number) & (largest > 0.6)].mean()
        shown = 0.8 * contrast[..., 0] / level + 0.2 * largest
        result[(owner == number) & (largest > 0.05) & (shown > 0.4)] = label
    return result


def test_label_images_by_brute_force():
    scenes, labels = [0, 0, 0, 1], [1, 2, 3, 1]
    centers = [(9, 8), (9, 17), (20, 25), (2, 27)]  # Two that touch, one alone, one cut off in another image.
    sprites = np.stack([_disc(4, 0.9), _disc(4, 0.3), _disc(5, 0.7), _disc(4, 1.0)])
    contrast = _canvas(scenes, centers, sprites, (2, 28, 30))
    contrast += np.random.RandomState(0).normal(0.0, 0.02, contrast.shape)
    found = _labels(contrast, scenes, labels, centers, sprites)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, _by_brute_force(contrast, scenes, labels, centers, sprites))
    assert set(np.unique(found[0])) == {0, 1, 2, 3}


def test_touching_objects_of_different_brightness_are_parted_midway():
    centers = [(9, 6), (9, 14)]
    sprites = np.stack([_disc(4, 1.0), _disc(4, 0.25)])
    contrast = np.maximum(*[_canvas([0], [center], [sprite], (1, 20, 22)) for center, sprite in zip(centers, sprites)])
    found = _labels(contrast, [0, 0], [1, 2], centers, sprites)[0]
    assert set(found[9, 4:10]) == {1}
    assert set(found[9, 11:16]) == {2}


def test_outlines_follow_the_image_and_not_the_halo_of_the_sprite():
    y, x = np.mgrid[:20, :20] - 9
    contrast = (np.hypot(y, x) < 3.5).astype(np.float32)[None, ..., None]
    found = _labels(contrast, [0], [1], [(9, 9)], _disc(6, 0.8)[None])
    np.testing.assert_array_equal(found[0] == 1, contrast[0, ..., 0] > 0)


def test_no_sprites_no_labels():
    assert not _labels(np.ones((2, 8, 8, 1)), [], [], [], np.zeros((0, 15, 15, 1))).any()


def test_outlines_of_large_objects_are_wider_with_a_slope():
    """The level of each image by hand, from the areas at half brightness; a third image has no object."""
    scenes, labels, centers = [0, 0, 1], [1, 2, 1], [(14, 12), (14, 30), (14, 14)]
    sprites = np.stack([_disc(2, 0.9), _disc(2, 0.9), _disc(5, 0.9)])
    contrast = _canvas(scenes, centers, sprites, (3, 28, 44))
    found = _labels(contrast, scenes, labels, centers, sprites, slope=0.2)
    for image, radius in ((0, 2), (1, 5)):
        disc = _disc(radius, 0.9)[..., 0]
        level = disc[disc > 0.6 * disc.max()].mean()
        shown = 0.8 * disc / level + 0.2 * disc / disc.max()
        cut = np.clip(0.4 - 0.2 * np.log2((shown > 0.5).sum() / LEVEL_AREA), 0.25, 0.7)
        assert (found[image] == 1).sum() == (shown > cut).sum() > 0
    assert not found[2].any()
    flat = _labels(contrast, scenes, labels, centers, sprites)
    assert (found[0] > 0).sum() < (flat[0] > 0).sum()
    assert (found[1] > 0).sum() > (flat[1] > 0).sum()


def test_mean_areas_are_those_at_half_of_the_level():
    scenes, centers = [0, 0, 2], [(14, 12), (14, 30), (14, 14)]
    sprites = np.stack([_disc(2, 0.9), _disc(4, 0.5), _disc(5, 0.9)])
    contrast = _canvas(scenes, centers, sprites, (3, 28, 44))
    areas = []
    for sprite in sprites[..., 0]:
        shown = 0.8 * sprite / sprite[sprite > 0.6 * sprite.max()].mean() + 0.2 * sprite / sprite.max()
        areas.append((shown > 0.5).sum())
    found = mean_areas(
        tf.constant(contrast, tf.float32), tf.constant(scenes), tf.constant(centers), tf.constant(sprites, tf.float32)
    )
    np.testing.assert_allclose(found, [(areas[0] + areas[1]) / 2, 0, areas[2]])
