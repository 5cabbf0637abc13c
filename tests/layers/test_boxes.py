import numpy as np
import tensorflow as tf

from tf_scenes.layers.boxes import boxes_of_corners, boxes_of_sprites


def test_boxes_are_around_the_pixels_that_placed_sprites_light():
    """Against the coordinates of the lit pixels, sprite by sprite."""
    random = np.random.RandomState(0)
    height, width = 20, 30
    sprites = (random.uniform(size=(50, 7, 5, 2)) > 0.93).astype(np.float32)
    sprites[0] = 0.0
    centers = np.stack([random.randint(-1, height + 1, 50), random.randint(-1, width + 1, 50)], axis=1)
    boxes = boxes_of_sprites(tf.constant(centers, tf.int32), tf.constant(sprites), height, width).numpy()
    for (y, x), sprite, box in zip(centers, sprites, boxes):
        lit = np.argwhere(sprite.max(-1) > 0.5) if sprite.any() else np.array([[3, 2]])
        corners = np.concatenate([lit.min(0), lit.max(0) + 1]) + np.array([y - 3, x - 2] * 2)
        expected = np.clip(corners / np.array([height, width] * 2), 0, 1)
        np.testing.assert_allclose(box, expected, atol=1e-6)


def test_boxes_of_corners_touch_them():
    square = np.array([[-0.5, -0.5], [-0.5, 9.5], [9.5, 9.5], [9.5, -0.5]])
    np.testing.assert_allclose(boxes_of_corners(tf.constant(square, tf.float32), 20, 40), [0, 0, 0.5, 0.25])
    diamond = np.array([[[4.5, -9.0], [10.5, 3.5], [4.5, 9.5], [-1.5, 3.5]]])
    expected = [[0.0, 0.0, 11 / 20, 10 / 40]]  # What lies outside is cut off.
    np.testing.assert_allclose(boxes_of_corners(tf.constant(diamond, tf.float32), 20, 40), expected)
