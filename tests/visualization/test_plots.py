import numpy as np
import pytest

from tf_scenes.visualization import plots


@pytest.mark.parametrize(("most", "sprites"), [(0, 0), (2, 2), (12, 12), (13, 0)])
def test_a_sheet_has_a_picture_for_each_sprite_unless_they_are_too_many(most, sprites):
    images = np.zeros((2, 16, 16, 3))
    description = {"num_objects": np.array([most, 0]), "locations": np.zeros((2, 15, 2))}
    sheet = plots.reconstructions(images, images, description, np.zeros((2, 15, 5, 5, 3)))
    sizes = [picture.get_array().shape[0] for picture in sheet.axes[0].images]
    assert sizes.count(16) == 4 and sizes.count(5) == sprites
