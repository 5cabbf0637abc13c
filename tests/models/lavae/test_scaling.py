import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tf_scenes.models.lavae.scaling import LARGEST_SCALE, SMALLEST_SCALE, at_scales, resample_sprites, scales_for


def test_images_are_scaled_to_the_typical_area_within_limits():
    areas = np.float32([100.0, 121.0, 90.0, 1.0, 4000.0, 0.0])
    scales = scales_for(tf.constant(areas), 100.0).numpy()
    np.testing.assert_allclose(scales[:3] ** 2 * areas[:3], 100.0, rtol=1e-6)
    np.testing.assert_allclose(scales[3:], [LARGEST_SCALE, SMALLEST_SCALE, 1.0])


def test_places_found_in_scaled_images_are_those_in_the_images_as_they_were():
    """A stand-in for a model finds the brightest pixel, and describes it by its brightness and the image's size."""
    y, x = np.mgrid[:40, :52]
    places = np.array([(12.0, 30.0), (25.0, 7.0), (30.0, 44.0)])
    images = np.exp(-0.5 * ((y - places[:, 0, None, None]) ** 2 + (x - places[:, 1, None, None]) ** 2) / 3.0**2)
    scales = [0.85, 1.0, 1.3]

    def infer(image, contrast):
        height, width = tf.unstack(tf.shape(image)[1:3])
        brightest = tf.argmax(tf.reshape(image, [-1]), output_type=tf.int32)
        appearance = tf.stack([tf.reduce_max(contrast), tf.cast(height, tf.float32), tf.cast(width, tf.float32)])
        return (
            tf.stack([brightest // width, brightest % width])[None, None],
            tf.constant([[True]]),
            appearance[None, None],
        )

    images = tf.constant(images[..., None], tf.float32)
    found, present, appearance = at_scales(infer, images, 2.0 * images, tf.constant(scales))
    assert present.numpy().all()
    for number, scale in enumerate(scales):
        # To half a pixel of the scaled image.
        np.testing.assert_allclose(found[number, 0], places[number], atol=0.51 / scale)
        np.testing.assert_allclose(appearance[number, 0], [2.0, round(40 * scale), round(52 * scale)], atol=0.1)


@pytest.mark.parametrize("scale", [SMALLEST_SCALE, 1.0, 1.17, LARGEST_SCALE])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.4, -0.25)])
def test_sprites_are_resampled_as_by_scipy(scale, offset):
    sprites = np.random.RandomState(0).uniform(size=(2, 9, 11, 3)).astype(np.float32)
    found = resample_sprites(tf.constant(sprites), tf.constant([scale, 1.0]), tf.constant([offset, (0.0, 0.0)])).numpy()
    height, width = found.shape[1:3]
    assert height % 2 == width % 2 == 1
    # Nothing is cut off, even at the smallest scale.
    assert height >= 9 / SMALLEST_SCALE + 1 and width >= 11 / SMALLEST_SCALE + 1
    middle = np.array([height // 2, width // 2])
    for channel in range(3):
        expected = ndimage.affine_transform(
            sprites[0, ..., channel],
            np.array([scale, scale]),
            offset=np.array([4, 5]) - scale * (middle + offset),
            output_shape=(height, width),
            order=1,
            mode="grid-constant",
        )
        np.testing.assert_allclose(found[0, ..., channel], expected, atol=1e-5)
    top, left = middle - (4, 5)
    np.testing.assert_allclose(found[1, top : top + 9, left : left + 11], sprites[1], atol=1e-6)
