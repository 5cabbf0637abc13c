import numpy as np
import pytest
import tensorflow as tf

from tests.models.discrete_air.flat_sprites import build_flat_model
from tf_scenes.editing.edit_script import Edit
from tf_scenes.visualization import figures


@pytest.fixture
def model(make_config):
    return build_flat_model(make_config)


@pytest.fixture
def titles(monkeypatch):
    """Images and titles of the grids that are drawn."""
    drawn = []
    monkeypatch.setattr(figures.plots, "image_grid", lambda *args, **kwargs: drawn.append((*args, kwargs)))
    return drawn


def test_the_attribute_sheet_has_a_row_for_each_value_and_a_column_for_each_category(model, titles):
    figures.attribute_sheet(model, 16, values=(-2.0, 0.0, 1.0))
    images, names, options = titles[0]
    assert options == {"columns": 3}
    assert names[:4] == ["0: -2", "1: -2", "2: -2", "0: +0"]
    levels = images[:, 8, 8, 0].reshape(3, 3)
    np.testing.assert_allclose(levels, [[0.1, 0.3, 0.5], [0.2, 0.4, 0.6], [0.25, 0.45, 0.65]], atol=1e-5)


def test_the_description_sheet_says_each_object_s_code_in_words(model, small_scenes):
    model.encode = lambda images: {
        "num_objects": tf.fill([len(images)], 1),
        "presence": tf.ones([len(images), 1]),
        "locations": tf.fill([len(images), 1, 2], 7.5),
        "sizes": tf.fill([len(images), 1, 2], 12.0),
        "category": tf.fill([len(images), 1], 2),
        "angles": tf.fill([len(images), 1], np.pi / 2),
        "attributes": tf.fill([len(images), 1, 1], -0.25),
    }
    sheet = figures.description_sheet(model, small_scenes, "test", num_images=2)
    words = [text.get_text() for text in sheet.axes[0].texts]
    code = "category 2\nx   7.5  y   7.5\nsize 12.0 x 12.0\nangle 90 deg\nattribute -0.25"
    assert words.count(code) == 2 and words.count("n = 1") == 2
    assert len(sheet.axes[0].patches) == 2
    left, right, bottom, top = sheet.axes[0].images[0].get_extent()  # Of the first input.
    corners = (sheet.axes[0].patches[0].get_xy()[:4] - [left, top]) / [right - left, bottom - top]
    side = small_scenes.image_shape[0]
    np.testing.assert_allclose(np.ptp(corners, axis=0), 12.0 / side, atol=1e-3)
    np.testing.assert_allclose(corners.mean(axis=0), (7.5 + 0.5) / side, atol=1e-3)


def test_the_edit_sheet_has_numbered_objects_and_a_row_for_each_edit():
    counts = np.array([2, 3])
    inferred = {"locations": np.full((2, 3, 2), 2.0), "presence": (np.arange(3) < counts[:, None]).astype(np.float32)}
    edits = [
        Edit("move 0 1 2", "move", (0,), (1.0, 2.0)),
        Edit("reset", "reset", (), ()),
        Edit("copy 1 0", "copy", (1, 0), ()),
    ]
    sheet = figures.edit_sheet(np.zeros((2, 6, 8, 1)), inferred, edits, np.zeros((4, 2, 6, 8, 1)))
    texts = [text.get_text() for text in sheet.axes[0].texts]
    assert sorted(texts) == sorted(["0", "1", "0", "1", "2", "input", "reconstruction", "move 0 1 2", "copy 1 0"])
    assert len(sheet.axes[0].images) == 2 * 4
