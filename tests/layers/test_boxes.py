import numpy as np
import pytest
import tensorflow as tf

from tf_scenes.layers.boxes import boxes_of_sprites, boxes_of_visible


@pytest.mark.parametrize("brightness", [1.0, 0.02])
def test_boxes_are_around_the_pixels_that_placed_sprites_show(brightness):
    """Against the coordinates of the pixels above half of the sprite's own peak, sprite by sprite."""
    random = np.random.RandomState(0)
    height, width = 20, 30
    sprites = (random.uniform(size=(50, 7, 5, 2)) ** 8).astype(np.float32) * brightness
    sprites[0] = 0.0
    centers = np.stack([random.randint(-1, height + 1, 50), random.randint(-1, width + 1, 50)], axis=1)
    boxes = boxes_of_sprites(tf.constant(centers, tf.int32), tf.constant(sprites), height, width).numpy()
    for (y, x), sprite, box in zip(centers, sprites, boxes):
        lit = np.argwhere(sprite.max(-1) > sprite.max() / 2) if sprite.any() else np.array([[3, 2]])
        corners = np.concatenate([lit.min(0), lit.max(0) + 1]) + np.array([y - 3, x - 2] * 2)
        expected = np.clip(corners / np.array([height, width] * 2), 0, 1)
        np.testing.assert_allclose(box, expected, atol=1e-6)


def test_what_is_not_visible_has_the_box_of_one_pixel():
    visible = np.zeros((3, 8, 10), bool)
    visible[1, 2:5, 7] = True
    boxes = boxes_of_visible(tf.constant(visible), tf.constant([[4, 6], [0, 0], [-3, 20]]), 8, 10)
    expected = [[4 / 8, 0.6, 5 / 8, 0.7], [2 / 8, 0.7, 5 / 8, 0.8], [0, 1, 0, 1]]  # The last one is off the canvas.
    np.testing.assert_allclose(boxes, expected, atol=1e-6)
