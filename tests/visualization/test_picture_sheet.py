import numpy as np
import pytest

from tf_scenes.visualization import plots
from tf_scenes.visualization.picture_sheet import PictureSheet


def test_pictures_and_outlines_stand_where_they_should_to_the_pixel():
    sheet = PictureSheet(rows=1, columns=2, labels=["a long label"], cell_inches=1.0)
    image = np.zeros((8, 16, 3))
    image[2:6, 4:12] = (1.0, 0.0, 0.0)
    sheet.show(0, 1, image)
    around = np.array([[1.5, 3.5], [1.5, 11.5], [5.5, 11.5], [5.5, 3.5]])  # Between pixels, y then x.
    sheet.outline(0, 1, around, image, (0.0, 0.0, 1.0))
    drawn = plots.as_image(sheet.figure)[..., :3]
    dots_per_pixel = sheet.figure.dpi / 16.0
    blue, red = (drawn[..., 2] > 100) & (drawn[..., 0] < 100), (drawn[..., 0] > 200) & (drawn[..., 2] < 100)
    for mask in (blue, red):
        ys, xs = np.nonzero(mask)
        assert np.ptp(ys) == pytest.approx(4 * dots_per_pixel, abs=3)
        assert np.ptp(xs) == pytest.approx(8 * dots_per_pixel, abs=3)
    assert [axis.mean() for axis in np.nonzero(blue)] == pytest.approx([axis.mean() for axis in np.nonzero(red)], abs=1)
    black = (drawn.max(axis=-1) == 0) | blue | red
    assert np.ptp(np.nonzero(black[:, drawn.shape[1] // 2 + 60 :])[0]) == pytest.approx(8 * dots_per_pixel, abs=3)
