import glob
import os
import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image

from tf_scenes.data.image_files import as_unit_range, find_images, read_picture, with_channels
from tf_scenes.errors import UserError

RANDOM = np.random.RandomState(0)
GREY = RANDOM.randint(0, 256, (13, 17)).astype(np.uint8)
RGB = RANDOM.randint(0, 256, (13, 17, 3)).astype(np.uint8)
GREY_16 = RANDOM.randint(0, 65_536, (13, 17)).astype(np.uint16)
RGB_16 = RANDOM.randint(0, 65_536, (13, 17, 3)).astype(np.uint16)
ALPHA = RANDOM.randint(0, 256, (13, 17)).astype(np.uint8)


def _names(paths, folder):
    return [path[len(str(folder)) + 1 :] for path in paths]


def _one(path):
    (image,) = read_picture(str(path)).pages
    assert image.ndim == 3 and image.flags.c_contiguous and image.dtype.isnative
    return image


@pytest.fixture
def pictures(tmp_path):
    """A folder of pictures and other files."""
    names = (
        "b/cell_10.png",
        "b/cell_9.PNG",
        "b/cell_09.tif",
        "a.jpeg",
        "b/.hidden.png",
        ".thumbs/a.png",
        "b/notes.txt",
    )
    for name in (*names, "b[1]/x.bmp", "B/deep/er/y.TIFF"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


# Finding.


def test_a_folder_is_searched_with_all_in_it_in_natural_order(pictures):
    found = _names(find_images(str(pictures), "images_path"), pictures)
    assert found == ["a.jpeg", "B/deep/er/y.TIFF", "b/cell_9.PNG", "b/cell_09.tif", "b/cell_10.png", "b[1]/x.bmp"]


def test_links_to_folders_are_followed_once(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "elsewhere").mkdir()
    for name in ("here/a.png", "elsewhere/b.png"):
        (tmp_path / name).write_bytes(b"")
    for name, place in (("x", "."), ("y", "."), ("up", ".."), ("linked", "../elsewhere"), ("again", "../elsewhere")):
        os.symlink(place, tmp_path / "here" / name)
    found = [os.path.realpath(path) for path in find_images(str(tmp_path / "here"), "predict_images")]
    assert sorted(found) == [str(tmp_path / "elsewhere" / "b.png"), str(tmp_path / "here" / "a.png")]


def test_pipes_are_no_pictures(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"cannot read .*a\.png: it is a pipe or a device, and no file"):
        read_picture(str(tmp_path / "a.png"))


def test_results_of_a_prediction_are_no_pictures(pictures):
    found = find_images(str(pictures), "images_path")
    results = ("counts.csv", "objects.csv", "instances.json", "masks/a.png", "overlays/deep/b.png")
    for name in results:
        (pictures / "b" / "found" / name).parent.mkdir(parents=True, exist_ok=True)
        (pictures / "b" / "found" / name).write_bytes(b"")
    assert find_images(str(pictures), "images_path") == found
    asked_for = find_images(str(pictures / "b" / "found" / "overlays"), "images_path")
    assert _names(asked_for, pictures) == ["b/found/overlays/deep/b.png"]
    (pictures / "b" / "found" / "objects.csv").unlink()
    assert len(find_images(str(pictures), "images_path")) == len(found) + 2


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("b/*.png", ["b/cell_10.png"]),
        ("b/cell_?.*", ["b/cell_9.PNG"]),
        ("**/*.[tT]*[fF]", ["B/deep/er/y.TIFF", "b/cell_09.tif"]),
        ("B/*", ["B/deep/er/y.TIFF"]),
        ("b[1]", ["b[1]/x.bmp"]),
        ("b[1]/x.bmp", ["b[1]/x.bmp"]),
        ("b/./cell_9.PNG", ["b/cell_9.PNG"]),
    ],
)
def test_globs_files_and_folders_with_brackets(pictures, pattern, expected):
    assert _names(find_images(str(pictures / ".") + "/" + pattern, "images_path"), pictures) == expected


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("nowhere", "--images_path=.*nowhere does not exist.*PNG, JPEG, BMP and TIFF"),
        ("*.gif", "--images_path=.*gif does not exist.*glob"),
        ("b/notes.txt", r"--images_path=.*notes.txt holds no picture.*\.png.*\.tiff"),
        (".thumbs/../b/*.txt", "holds no picture"),
    ],
)
def test_what_holds_no_pictures_is_one_line_with_the_flag(pictures, pattern, message):
    with pytest.raises(UserError, match=message) as error:
        find_images(str(pictures / pattern), "images_path")
    assert "\n" not in str(error.value)


# Reading: Pillow's kinds.


@pytest.mark.parametrize("extension", ["png", "bmp", "tif"])
def test_grey_and_colour_of_8_bits_are_read_as_they_are(tmp_path, extension):
    for pixels in (GREY, RGB):
        Image.fromarray(pixels).save(tmp_path / f"a.{extension}")
        np.testing.assert_array_equal(_one(tmp_path / f"a.{extension}"), np.atleast_3d(pixels))


def test_jpeg_is_what_pillow_decodes(tmp_path):
    for pixels, shape in ((GREY, (13, 17, 1)), (RGB, (13, 17, 3))):
        Image.fromarray(pixels).save(tmp_path / "a.jpg")
        image = _one(tmp_path / "a.jpg")
        assert image.shape == shape
        np.testing.assert_array_equal(image, np.asarray(Image.open(tmp_path / "a.jpg")).reshape(shape))


def test_16_bits_are_kept(tmp_path):
    Image.fromarray(GREY_16).save(tmp_path / "grey.png")
    (tmp_path / "rgb.png").write_bytes(tf.io.encode_png(RGB_16).numpy())
    tifffile.imwrite(tmp_path / "rgb.tif", RGB_16, photometric="rgb", byteorder=">")
    np.testing.assert_array_equal(_one(tmp_path / "grey.png")[..., 0], GREY_16)
    np.testing.assert_array_equal(_one(tmp_path / "rgb.png"), RGB_16)
    np.testing.assert_array_equal(_one(tmp_path / "rgb.tif"), RGB_16)


def test_bilevel_pictures_become_0_and_255(tmp_path):
    for name, options in (("a.png", {}), ("a.bmp", {}), ("a.tif", {}), ("b.tif", {"compression": "group4"})):
        Image.fromarray(GREY > 99).save(tmp_path / name, **options)
        np.testing.assert_array_equal(_one(tmp_path / name)[..., 0], np.where(GREY > 99, 255, 0), err_msg=name)


@pytest.mark.parametrize("extension", ["png", "tif", "bmp"])
def test_palettes_become_colours_or_grey_if_that_is_all_they_have(tmp_path, extension):
    path = tmp_path / f"a.{extension}"
    image = Image.fromarray(GREY // 64)
    for palette, expected in (
        (np.array([[0, 0, 0], [250, 0, 0], [0, 120, 3], [9, 9, 9]]), 3),
        (np.array([[0, 0, 0], [30, 30, 30], [77, 77, 77], [255, 255, 255]]), 1),
    ):
        image = Image.fromarray(GREY // 64).convert("P")
        image.putdata((GREY // 64).ravel().tolist())
        image.putpalette(palette.astype(np.uint8).tobytes())
        image.save(path)
        np.testing.assert_array_equal(_one(path), palette[GREY // 64][..., :expected])


def test_cmyk_is_converted_as_by_pillow(tmp_path):
    image = Image.frombytes("CMYK", (17, 13), RANDOM.bytes(4 * 13 * 17))
    image.save(tmp_path / "a.tif")
    image.save(tmp_path / "b.jpg", quality=95)
    np.testing.assert_array_equal(_one(tmp_path / "a.tif"), np.asarray(image.convert("RGB")))
    np.testing.assert_array_equal(_one(tmp_path / "b.jpg"), np.asarray(Image.open(tmp_path / "b.jpg").convert("RGB")))


@pytest.mark.parametrize("extension", ["png", "tif"])
@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
def test_transparent_pixels_are_drawn_over_black(tmp_path, extension, pixels):
    path = str(tmp_path / f"a.{extension}")
    with_alpha = np.dstack([pixels, ALPHA])
    Image.fromarray(with_alpha).save(path)
    (image,), transparent = read_picture(path)
    assert transparent and image.dtype == np.uint8
    np.testing.assert_allclose(image, np.atleast_3d(pixels) * (ALPHA[..., None] / 255.0), atol=0.5 + 1e-6)

    with_alpha[..., -1] = 255
    Image.fromarray(with_alpha).save(path)
    (image,), transparent = read_picture(path)
    assert not transparent
    np.testing.assert_array_equal(image, np.atleast_3d(pixels))


def test_opacity_of_16_bits_and_that_of_one_colour(tmp_path):
    opacity = RANDOM.randint(0, 65_536, (13, 17, 1)).astype(np.uint16)
    for colors in (GREY_16[..., None], RGB_16):
        (tmp_path / "a.png").write_bytes(tf.io.encode_png(np.concatenate([colors, opacity], axis=-1)).numpy())
        (image,), transparent = read_picture(str(tmp_path / "a.png"))
        assert transparent and image.dtype == np.uint16
        np.testing.assert_allclose(image, colors * (opacity / 65_535.0), atol=0.5 + 1e-6)
    Image.fromarray(GREY).save(tmp_path / "b.png", transparency=int(GREY[0, 0]))
    (image,), transparent = read_picture(str(tmp_path / "b.png"))
    assert transparent
    np.testing.assert_array_equal(image[..., 0], np.where(GREY[0, 0] == GREY, 0, GREY))


def test_premultiplied_colours_of_tiff_are_those_over_black(tmp_path):
    path = str(tmp_path / "a.tif")
    tifffile.imwrite(path, np.dstack([RGB, ALPHA]), photometric="rgb", extrasamples=["assocalpha"])
    np.testing.assert_array_equal(_one(path), RGB)
    tifffile.imwrite(path, np.dstack([RGB, ALPHA]), photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_allclose(_one(path), RGB * (ALPHA[..., None] / 255.0), atol=0.5 + 1e-6)
    tifffile.imwrite(path, np.dstack([RGB, ALPHA]), photometric="rgb", extrasamples=["unspecified"])
    np.testing.assert_array_equal(_one(path), RGB)


# What turns an image of each orientation upright: the table of EXIF 2.3, as Pillow names it.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["a.png", "a.jpg", "a.tif", "lzw.tif"])
def test_images_are_turned_upright(tmp_path, orientation, kind):
    exif, path = Image.Exif(), tmp_path / kind
    exif[274] = orientation
    options = {"compression": "tiff_lzw"} if kind == "lzw.tif" else {}
    Image.fromarray(RGB).save(path, **options)
    stored = Image.open(path).copy()
    Image.fromarray(RGB).save(path, exif=exif, **options)
    upright = stored.transpose(UPRIGHT[orientation]) if orientation > 1 else stored
    np.testing.assert_array_equal(_one(path), np.asarray(upright))


def test_orientation_of_16_bits_in_colour(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    chunk = b"eXIf" + exif.tobytes()[len(b"Exif\0\0") :]
    chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    whole, header = tf.io.encode_png(RGB_16).numpy(), 8 + 25
    (tmp_path / "a.png").write_bytes(whole[:header] + chunk + whole[header:])
    np.testing.assert_array_equal(_one(tmp_path / "a.png"), np.rot90(RGB_16, -1))


# Reading: TIFF.


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (GREY.astype(np.int8), np.float32),
        (GREY.astype(np.int16), np.uint16),
        (GREY_16.astype(np.int32), np.uint16),
        (GREY_16.astype(np.uint32) * 99, np.float32),
        (GREY.astype(np.int16) - 100, np.float32),
        (GREY_16.astype(np.uint64), np.uint16),
        (GREY.astype(np.float16), np.float32),
        (GREY / 255.0, np.float32),
        (GREY.astype(np.float32) * 1e3, np.float32),
    ],
    ids=lambda value: str(getattr(value, "dtype", value.__class__.__name__)),
)
def test_numbers_of_all_types_keep_their_values(tmp_path, stored, expected):
    tifffile.imwrite(tmp_path / "a.tif", stored)
    image = _one(tmp_path / "a.tif")
    assert image.dtype == expected
    np.testing.assert_array_equal(image[..., 0], stored.astype(expected))


def test_white_may_be_zero(tmp_path):
    for pixels, largest in ((GREY, 255), (GREY_16, 65_535)):
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
        np.testing.assert_array_equal(_one(tmp_path / "a.tif")[..., 0], largest - pixels)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "tiff_deflate"])
@pytest.mark.parametrize(
    "pixels", [GREY, RGB, GREY_16, GREY.astype(np.float32) / 255], ids=lambda each: str(each.dtype)
)
def test_compressed_tiff(tmp_path, compression, pixels):
    Image.fromarray(pixels).save(tmp_path / "a.tif", compression=compression)
    np.testing.assert_array_equal(_one(tmp_path / "a.tif"), np.atleast_3d(pixels))


def test_jpeg_in_tiff_is_what_pillow_decodes(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.tif", compression="jpeg")
    np.testing.assert_array_equal(_one(tmp_path / "a.tif"), np.asarray(Image.open(tmp_path / "a.tif").convert("RGB")))


@pytest.mark.parametrize(
    ("pixels", "photometric", "what"),
    [(RGB_16, "rgb", "16 bits and 3 channels"), (GREY_16.astype(np.uint64), "minisblack", "64 bits and 1 channel")],
    ids=["colour", "long"],
)
def test_what_no_reader_decodes_is_one_line(tmp_path, pixels, photometric, what):
    path = str(tmp_path / "a.tif")
    tifffile.imwrite(path, pixels, photometric=photometric)
    whole = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(path) as file:
        place = file.pages[0].tags["Compression"].valueoffset
    whole[place : place + 2] = (5).to_bytes(2, "little")  # LZW, it says now.
    (tmp_path / "a.tif").write_bytes(whole)
    with pytest.raises(UserError, match=rf"a\.tif: LZW of {what}s? is not supported; save it uncompressed"):
        read_picture(path)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_planes_and_tiles(tmp_path, planar, tile):
    pixels = np.moveaxis(RGB, -1, 0) if planar == "separate" else RGB
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", planarconfig=planar, tile=tile)
    np.testing.assert_array_equal(_one(tmp_path / "a.tif"), RGB)


STACK = RANDOM.randint(0, 256, (6, 13, 17)).astype(np.uint8)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"metadata": None},
        {"truncate": True},  # One page describes all.
        {"bigtiff": True},
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {"ome": True, "metadata": {"axes": "TYX"}},
        {"compression": "zlib"},
    ],
    ids=str,
)
def test_each_page_is_an_image(tmp_path, options):
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack", **options)
    np.testing.assert_array_equal(np.stack(read_picture(str(tmp_path / "a.tif")).pages)[..., 0], STACK)


def test_a_hyperstack_s_pages_come_in_the_order_of_the_file(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK.reshape(2, 3, 13, 17), imagej=True, metadata={"axes": "TZYX"})
    np.testing.assert_array_equal(np.stack(read_picture(str(tmp_path / "a.tif")).pages)[..., 0], STACK)


def test_pages_compressed_in_a_way_that_only_pillow_decodes(tmp_path):
    first, *others = (Image.fromarray(page) for page in STACK)
    first.save(tmp_path / "a.tif", save_all=True, append_images=others, compression="tiff_lzw")
    np.testing.assert_array_equal(np.stack(read_picture(str(tmp_path / "a.tif")).pages)[..., 0], STACK)


def test_pages_of_different_sizes_and_kinds_keep_their_order_and_previews_are_left_out(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GREY, metadata=None)
        file.write(RGB, metadata=None, photometric="rgb")
        file.write(GREY[::2, ::2], metadata=None, subfiletype=1)
        file.write(GREY_16, metadata=None)
        file.write(GREY[::-1], metadata=None)
    pages = read_picture(str(tmp_path / "a.tif")).pages
    for page, expected in zip(pages, (GREY, RGB, GREY_16, GREY[::-1])):
        np.testing.assert_array_equal(page, np.atleast_3d(expected))
    assert len(pages) == 4


@pytest.mark.parametrize(
    "options",
    [
        {"metadata": {"axes": "CYX"}},
        {"imagej": True, "metadata": {"axes": "CYX"}},
        {"ome": True, "metadata": {"axes": "CYX"}},
    ],
    ids=["shaped", "imagej", "ome"],
)
def test_channels_of_a_microscope_are_refused_in_one_line(tmp_path, options):
    tifffile.imwrite(tmp_path / "a.tif", STACK[:2], photometric="minisblack", **options)
    with pytest.raises(UserError, match=r"a.tif has 2 channels \(axes CYX\).*save the channel") as error:
        read_picture(str(tmp_path / "a.tif"))
    assert "\n" not in str(error.value)


def test_more_samples_than_colours_are_refused_in_one_line(tmp_path):
    pixels = np.moveaxis(STACK[:5], 0, -1)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", planarconfig="contig")
    with pytest.raises(UserError, match=r"a\.tif: it has 5 channels: only grey and RGB"):
        read_picture(str(tmp_path / "a.tif"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(tmp_path, value):
    pixels = GREY.astype(np.float32)
    pixels[3, 4] = value
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    with pytest.raises(UserError, match=r"a\.tif holds NaN or infinity"):
        read_picture(str(tmp_path / "a.tif"))


def test_complex_numbers_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY.astype(np.complex64))
    with pytest.raises(UserError, match=r"a\.tif holds numbers of type complex64"):
        read_picture(str(tmp_path / "a.tif"))


# Damaged files, and very large ones.


def _write(path, kind):
    image = np.tile(RGB, (9, 9, 1))
    if kind == "png":
        Image.fromarray(image).save(path)
    elif kind == "jpg":
        Image.fromarray(image).save(path, format="JPEG")
    elif kind == "bmp":
        Image.fromarray(image).save(path, format="BMP")
    elif kind == "lzw":
        Image.fromarray(image).save(path, format="TIFF", compression="tiff_lzw")
    else:
        options = {"zlib": {"compression": "zlib", "metadata": None}, "plain": {}, "loose": {"metadata": None}}[kind]
        with tifffile.TiffWriter(path) as file:
            for _ in range(3):
                file.write(image, photometric="rgb", contiguous=False, **options)


@pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "lzw", "zlib", "plain", "loose"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.3, 0.5, 0.9])
def test_files_that_are_cut_off_are_one_line_with_the_path(tmp_path, capfd, kind, share):
    path = tmp_path / f"cut.{kind if kind in ('png', 'jpg', 'bmp') else 'tif'}"
    _write(path, kind)
    assert read_picture(str(path)).pages
    contents = path.read_bytes()
    path.write_bytes(contents[: int(share * len(contents))])
    with pytest.raises(UserError, match=f"cannot read .*{path.name}: .") as error:
        read_picture(str(path))
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_other_contents_and_files_that_are_gone_are_one_line(tmp_path):
    (tmp_path / "a.png").write_text("<html>")
    with pytest.raises(UserError, match=r"cannot read .*a.png: cannot identify"):
        read_picture(str(tmp_path / "a.png"))
    with pytest.raises(UserError, match=r"cannot read .*b.png: .*No such file"):
        read_picture(str(tmp_path / "b.png"))


def test_the_contents_decide_not_the_extension(tmp_path):
    tifffile.imwrite(tmp_path / "a.png", GREY_16)
    np.testing.assert_array_equal(_one(tmp_path / "a.png")[..., 0], GREY_16)


def test_pictures_larger_than_pillow_s_limit_are_read_without_a_warning(tmp_path, recwarn):
    side = int(np.sqrt(2 * Image.MAX_IMAGE_PIXELS)) + 2
    Image.new("1", (side, side)).save(tmp_path / "a.png")
    limit = Image.MAX_IMAGE_PIXELS
    assert _one(tmp_path / "a.png").shape == (side, side, 1)
    assert not recwarn.list
    assert limit == Image.MAX_IMAGE_PIXELS


def test_threads_leave_pillow_s_limit_and_warnings_as_they_were(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    Image.new("1", (10, 10)).save(tmp_path / "a.png")
    filters, failures = list(warnings.filters), []

    def read():
        for _ in range(100):
            try:
                _one(tmp_path / "a.png")
            except UserError as error:
                failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failures and Image.MAX_IMAGE_PIXELS == 20 and warnings.filters == filters


# Ranges and channels.


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.array([0, 51, 255], np.uint8), [0.0, 0.2, 1.0]),
        (np.array([0, 13_107, 65_535], np.uint16), [0.0, 0.2, 1.0]),
        (np.array([0.25, 0.5], np.float32), [0.25, 0.5]),
        (np.array([-2.0, 0.0, 8.0], np.float32), [0.0, 0.2, 1.0]),
        (np.array([1e9, 1e9 + 1, 1e9 + 5]), [0.0, 0.2, 1.0]),
        (np.array([0.0, 1.5]), [0.0, 1.0]),
        (np.array([7.0, 7.0], np.float32), [0.0, 0.0]),
        (np.array([-32_768, 32_767], np.int16), [0.0, 1.0]),
    ],
)
def test_the_range_of_the_type_becomes_0_to_1(image, expected):
    scaled = as_unit_range(image)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, expected, rtol=1e-6)


@pytest.mark.parametrize("colors", [RGB, RGB_16, RGB / np.float32(255)], ids=lambda each: str(each.dtype))
def test_grey_is_pillow_s_brightness(colors):
    grey = with_channels(colors, 1)
    assert grey.dtype == colors.dtype and grey.shape == (13, 17, 1)
    scale = 255.0 / (np.iinfo(colors.dtype).max if colors.dtype != np.float32 else 1)
    eight_bits = Image.fromarray(np.rint(colors * scale).astype(np.uint8)).convert("L")
    np.testing.assert_allclose(grey[..., 0] * scale, eight_bits, atol=1.01)
    np.testing.assert_array_equal(with_channels(grey, 3), np.dstack([grey] * 3))
    assert with_channels(colors, 3) is colors


def test_the_nuclei_are_read_as_by_pillow():
    for path in sorted(glob.glob("data/nuclei/test/images/*.png"))[:5]:
        np.testing.assert_array_equal(_one(path)[..., 0], np.asarray(Image.open(path)))
