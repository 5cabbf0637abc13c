import numpy as np
import pytest

from tf_scenes.visualization import plots


@pytest.mark.parametrize(("most", "sprites"), [(0, 0), (2, 2), (12, 12), (13, 0)])
def test_a_sheet_has_a_picture_for_each_sprite_unless_they_are_too_many(most, sprites):
    images = np.zeros((2, 16, 16, 3))
    description = {"num_objects": np.array([most, 0])}
    sheet = plots.reconstructions(images, images, description, np.zeros((2, 15, 4)), np.zeros((2, 15, 5, 5, 3)))
    sizes = [picture.get_array().shape[0] for picture in sheet.axes[0].images]
    assert sizes.count(16) == 4 and sizes.count(5) == sprites


def test_boxes_are_drawn_around_their_pixels_and_not_around_sprites():
    images, boxes = np.zeros((1, 20, 10, 1)), np.array([[[2 / 20, 3 / 10, 8 / 20, 7 / 10], [0, 0, 0, 0]]])
    sheet = plots.reconstructions(images, images, {"num_objects": np.array([1])}, boxes, np.zeros((1, 2, 15, 15, 1)))
    left, right, bottom, top = sheet.axes[0].images[0].get_extent()
    corners = (sheet.axes[0].patches[0].get_xy()[:4] - [left, top]) / [right - left, bottom - top] * [10, 20]
    np.testing.assert_allclose(corners[np.lexsort(corners.T)], [[3, 2], [7, 2], [3, 8], [7, 8]], atol=1e-6)
    assert sum(text.get_text() == "n = 1" for text in sheet.axes[0].texts) == 1
