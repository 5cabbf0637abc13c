import numpy as np
import pytest
import tifffile
from PIL import Image

from tf_scenes.data.label_images import as_label_image, read_label_pages, require_instances
from tf_scenes.errors import UserError

LABELS = np.array([[0, 0, 7, 7], [3, 3, 0, 200], [3, 0, 0, 200]])
NUMBERED = np.array([[0, 0, 2, 2], [1, 1, 0, 3], [1, 0, 0, 3]])


def _save(path, labels, kind):
    if kind == "palette":
        image = Image.fromarray(labels.astype(np.uint8)).convert("P")
        image.putdata(labels.ravel().tolist())
        image.putpalette(bytes(range(256)) * 3)
        image.save(path)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, labels.astype(kind))
    else:
        Image.fromarray(labels.astype(kind)).save(path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("a.png", kind) for kind in ("uint8", "uint16", "palette")),
        *(("a.tif", kind) for kind in ("uint8", "uint16", "int32", "uint32", "int64", "float32")),
        ("a.bmp", "uint8"),
    ],
)
def test_labels_of_all_types_are_numbered_from_1(tmp_path, name, kind):
    _save(tmp_path / name, LABELS, kind)
    (labels,) = read_label_pages(str(tmp_path / name))
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, NUMBERED)


def test_large_labels_and_pages(tmp_path):
    labels = LABELS.astype(np.uint32) * 20_000_000
    tifffile.imwrite(tmp_path / "a.tif", np.stack([labels, labels[::-1]]), photometric="minisblack")
    first, second = read_label_pages(str(tmp_path / "a.tif"))
    np.testing.assert_array_equal(first, NUMBERED)
    np.testing.assert_array_equal(second, NUMBERED[::-1])


def test_an_image_without_objects_and_one_without_background():
    assert as_label_image(np.zeros((3, 4), np.uint8), "it").max() == 0
    np.testing.assert_array_equal(as_label_image(np.array([[5, 9]]), "it"), [[1, 2]])
    np.testing.assert_array_equal(as_label_image(np.array([[0, 1]]), "it"), [[0, 1]])


@pytest.mark.parametrize("foreground", [np.uint8(255), np.uint16(65_535), np.bool_(True)])
def test_binary_masks_are_refused_with_a_way_to_make_label_images(foreground):
    mask = np.where(LABELS > 0, foreground, foreground.dtype.type(0))
    for each in (mask, np.full_like(mask, foreground)):
        with pytest.raises(UserError, match=r"^it is a binary mask.*skimage\.measure\.label") as error:
            as_label_image(each, "it")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("values", [[[0.5, 1.0]], [[-1, 2]], [[np.nan, 1.0]], [[np.inf, 1.0]]])
def test_other_numbers_are_refused(values):
    with pytest.raises(UserError, match=r"^it holds numbers that are not labels"):
        as_label_image(np.array(values), "it")


def test_colours_and_jpeg_are_refused(tmp_path):
    colors = np.dstack([LABELS.astype(np.uint8)] * 3)
    for name, message in (("a.png", "it shows colours"), ("a.tif", "it has 3 channels"), ("a.jpg", "JPEG changes")):
        path = tmp_path / name
        if name == "a.tif":
            tifffile.imwrite(path, colors, photometric="rgb")
        else:
            Image.fromarray(colors).save(path)
        with pytest.raises(UserError, match=f"^cannot read .*{name}: {message}"):
            read_label_pages(str(path))


def test_one_label_for_all_objects_of_all_images_is_refused():
    pieces = np.array([[1, 0, 1]])
    with pytest.raises(UserError, match=r"^masks of the test have one label for all objects.*skimage"):
        require_instances([pieces, np.zeros_like(pieces)], "the test")
    require_instances([pieces, np.array([[1, 0, 2]])], "the test")
    require_instances([np.array([[1, 1, 0]])], "the test")
    require_instances([np.zeros((1, 3), int)], "the test")
