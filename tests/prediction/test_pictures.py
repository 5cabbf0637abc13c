import numpy as np
import pytest
from PIL import Image

from tests.prediction.bright_spots import picture
from tf_scenes.prediction.pictures import as_model_input, label_image, overlay

COLOR = (255, 48, 144)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(("channels", "wanted"), [(1, 1), (3, 1), (1, 3)])
def test_a_model_gets_numbers_from_0_to_1_in_as_many_channels_as_it_takes(dtype, channels, wanted):
    pixels = np.repeat(picture([(2, 3, 9, 20)], dtype=dtype)[..., None], channels, axis=-1)
    image = as_model_input(pixels, wanted, 1.0)
    assert image.shape == (1, 30, 40, wanted) and image.dtype == np.float32
    np.testing.assert_allclose(image[0], np.repeat((pixels > 0)[..., :1], wanted, axis=-1), atol=1e-6)


def test_a_picture_is_made_smaller_without_aliases():
    stripes = np.tile(np.uint8([[0, 255]]), (40, 30))[..., None]
    image = as_model_input(stripes, 1, 0.25)
    assert image.shape == (1, 10, 15, 1) and image.dtype == np.float32
    np.testing.assert_allclose(image[0, :, 1:-1], 0.5, atol=0.05)  # Every second pixel would be black or white.
    np.testing.assert_allclose(as_model_input(np.full((9, 11, 1), 51, np.uint8), 1, 1.7), 0.2, atol=1e-6)
    assert as_model_input(np.zeros((9, 11, 1), np.uint8), 1, 0.01).shape == (1, 1, 1, 1)


def test_an_overlay_outlines_each_object_inside_its_own_pixels():
    labels = np.zeros((60, 80), np.int32)
    labels[30:45, 40:50], labels[30:45, 50:60] = 1, 2
    drawn = np.asarray(overlay(np.full((60, 80, 1), 77, np.uint8), labels))
    assert drawn.shape == (60, 80, 3)
    outlined = (drawn == COLOR).all(-1)
    expected = np.zeros((60, 80), bool)
    expected[30:45, 40:60] = True
    expected[31:44, 41:49] = expected[31:44, 51:59] = False
    np.testing.assert_array_equal(outlined[25:], expected[25:])
    assert (drawn[25:][~expected[25:]] == 77).all()


def test_an_overlay_has_the_count_in_its_corner():
    labels = np.zeros((100, 100), np.int32)
    one, many = labels.copy(), labels.copy()
    one[90:95, 90:95], many[90:95, 90:95] = 1, 34
    written = [np.asarray(overlay(np.zeros((100, 100, 1), np.uint8), each)).any(-1)[:30] for each in (one, many)]
    assert all(each.any() for each in written)
    assert np.flatnonzero(written[1].any(0)).max() > 1.5 * np.flatnonzero(written[0].any(0)).max()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_contrast_is_stretched_so_that_dim_pictures_can_be_seen(dtype):
    ramp = np.tile(np.linspace(50, 90, 80), (60, 1)).astype(dtype)[..., None]
    drawn = np.asarray(overlay(ramp, np.zeros((60, 80), np.int32)))[40:, :, 0].astype(int)
    assert drawn[:, 0].max() <= 5 and drawn[:, -1].min() >= 250
    assert (np.diff(drawn, axis=1) >= 0).all()


@pytest.mark.parametrize(("count", "mode"), [(0, "L"), (255, "L"), (256, "I;16"), (65_535, "I;16")])
def test_labels_are_whole_in_a_png(count, mode, tmp_path):
    labels = np.arange(300 * 300, dtype=np.int32).reshape(300, 300) % (count + 1)
    image = label_image(labels)
    image.save(tmp_path / "labels.png")
    read = Image.open(tmp_path / "labels.png")
    assert image.mode == read.mode == mode
    np.testing.assert_array_equal(np.asarray(read), labels)
