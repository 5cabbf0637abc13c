import numpy as np
import pytest
import tensorflow as tf

from tests.models.model_table import ATTENTION, COMMON
from tf_scenes import plotting
from tf_scenes.data.descriptions import DescribedObject
from tf_scenes.evaluation import figures
from tf_scenes.picture_sheet import PictureSheet
from tf_scenes.training.build import build_model

SIZE = 48


@pytest.fixture
def model(make_config):
    """Discrete-AIR with templates that are told apart by their brightness, and an attribute that adds to it."""
    flags = ("--model=discrete_air", "--discrete_air.num_attributes=1", "--discrete_air.num_rotations=4")
    model = build_model(make_config(*COMMON, *flags, *ATTENTION), (24, 24, 1))

    def flat_sprites(categories, attributes):
        level = 0.2 + 0.2 * tf.cast(tf.argmax(categories, axis=-1), tf.float32) + 0.05 * attributes[:, 0]
        return tf.ones([tf.shape(categories)[0], 8, 8, 1]) * level[:, None, None, None]

    model.decoder = flat_sprites
    model.decoder.num_categories, model.decoder.num_attributes = 3, 1
    return model


@pytest.fixture
def titles(monkeypatch):
    """Images and titles of the grids that are drawn."""
    drawn = []
    monkeypatch.setattr(figures.plotting, "image_grid", lambda *args, **kwargs: drawn.append((*args, kwargs)))
    return drawn


def test_a_described_scene_has_each_object_at_its_place_in_its_size_and_angle(model):
    objects = [
        DescribedObject(category=2, x=12.0, y=30.0, size=10.0, angle=0.0, attributes=(0.0,)),
        DescribedObject(category=0, x=35.0, y=12.0, size=14.0, angle=np.pi / 4, attributes=(2.0,)),
    ]
    description, images = figures.draw_scene(model, objects, SIZE, SIZE)
    np.testing.assert_array_equal(description["num_objects"], [2])
    assert images.shape == (1, SIZE, SIZE, 1)
    y, x = np.mgrid[:SIZE, :SIZE]
    upright = np.maximum(abs(x - 12.0), abs(y - 30.0)) <= 3.5  # Well inside the square, away from its blurred edge.
    diamond = abs(x - 35.0) + abs(y - 12.0) <= 7.5
    np.testing.assert_allclose(images[0, ..., 0][upright], 0.6, atol=1e-3)
    np.testing.assert_allclose(images[0, ..., 0][diamond], 0.3, atol=1e-3)
    beside = (np.maximum(abs(x - 12.0), abs(y - 30.0)) > 7.0) & (abs(x - 35.0) + abs(y - 12.0) > 13.0)
    np.testing.assert_allclose(images[0, ..., 0][beside], 0.0, atol=1e-6)


@pytest.mark.parametrize(("most", "sprites"), [(0, 0), (2, 2), (12, 12), (13, 0)])
def test_a_sheet_has_a_picture_for_each_sprite_unless_they_are_too_many(most, sprites):
    images = np.zeros((2, 16, 16, 3))
    description = {"num_objects": np.array([most, 0]), "locations": np.zeros((2, 15, 2))}
    sheet = plotting.reconstructions(images, images, description, np.zeros((2, 15, 5, 5, 3)))
    sizes = [picture.get_array().shape[0] for picture in sheet.axes[0].images]
    assert sizes.count(16) == 4 and sizes.count(5) == sprites


def test_pictures_and_outlines_stand_where_they_should_to_the_pixel():
    sheet = PictureSheet(rows=1, columns=2, labels=["a long label"], cell_inches=1.0)
    image = np.zeros((8, 16, 3))
    image[2:6, 4:12] = (1.0, 0.0, 0.0)
    sheet.show(0, 1, image)
    around = np.array([[1.5, 3.5], [1.5, 11.5], [5.5, 11.5], [5.5, 3.5]])  # Between pixels, y then x.
    sheet.outline(0, 1, around, image, (0.0, 0.0, 1.0))
    drawn = plotting.as_image(sheet.figure)[0, ..., :3]
    dots_per_pixel = sheet.figure.dpi / 16.0
    blue, red = (drawn[..., 2] > 100) & (drawn[..., 0] < 100), (drawn[..., 0] > 200) & (drawn[..., 2] < 100)
    for mask in (blue, red):
        ys, xs = np.nonzero(mask)
        assert np.ptp(ys) == pytest.approx(4 * dots_per_pixel, abs=3)
        assert np.ptp(xs) == pytest.approx(8 * dots_per_pixel, abs=3)
    assert [axis.mean() for axis in np.nonzero(blue)] == pytest.approx([axis.mean() for axis in np.nonzero(red)], abs=1)
    black = (drawn.max(axis=-1) == 0) | blue | red
    assert np.ptp(np.nonzero(black[:, drawn.shape[1] // 2 + 60 :])[0]) == pytest.approx(8 * dots_per_pixel, abs=3)


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
