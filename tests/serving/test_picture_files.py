"""Pictures in requests, against Pillow's reading of the same files."""

import io
import resource
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_scenes.serving.picture_files import decoded_pictures

LIMIT = 200


@pytest.fixture(scope="module")
def decode():
    """Decodes files by a graph, by the number of channels."""

    def traced(channels):
        signature = [tf.TensorSpec([None], tf.string)]
        return tf.function(lambda files: decoded_pictures(files, channels, LIMIT), input_signature=signature)

    return {channels: traced(channels) for channels in (1, 3)}


def _file(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _shown(image):
    """What Pillow shows of an image over black, `[height, width, 3]`."""
    rgba = np.asarray(image.convert("RGBA")).astype(float)
    return np.rint(rgba[..., :3] * rgba[..., 3:] / 255).astype(np.uint8)


def _images():
    random = np.random.RandomState(0)
    rgba = Image.fromarray(random.randint(0, 256, (12, 9, 4)).astype(np.uint8), "RGBA")
    rgb, grey = rgba.convert("RGB"), rgba.convert("L")
    return {"RGBA": rgba, "RGB": rgb, "L": grey, "LA": rgba.convert("LA"), "P": rgb.quantize(20), "1": rgb.convert("1")}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("PNG", mode) for mode in ("RGBA", "RGB", "L", "LA", "P", "1")),
        *(("GIF", mode) for mode in ("L", "P")),
        *(("BMP", mode) for mode in ("RGB", "L")),
    ],
)
def test_lossless_files_are_read_as_pillow_reads_them(decode, kind, mode, channels):
    image = _images()[mode]
    file = _file(image, kind)
    expected = _shown(Image.open(io.BytesIO(file)))
    if channels == 1:
        expected = np.asarray(Image.fromarray(expected).convert("L"))[..., None]
    np.testing.assert_array_equal(decode[channels](tf.constant([file]))[0], expected)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_files_are_read_nearly_as_pillow_reads_them(decode, mode):
    ramp = np.linspace(0, 255, 32 * 24).reshape(32, 24)
    image = Image.fromarray(np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=-1).astype(np.uint8)).convert(mode)
    file = _file(image, "JPEG", quality=95)
    expected = Image.open(io.BytesIO(file)).convert("RGB")
    rgb, grey = (decode[channels](tf.constant([file]))[0].numpy().astype(int) for channels in (3, 1))
    assert np.abs(rgb - np.asarray(expected)).mean() < 3
    assert np.abs(grey[..., 0] - np.asarray(expected.convert("L"))).mean() < 3


def test_what_is_transparent_is_not_seen(decode):
    pixels = np.full((10, 10, 4), 255, np.uint8)
    pixels[..., 3] = 0
    pixels[2:4, 3:6, 3] = 255
    seen = decode[1](tf.constant([_file(Image.fromarray(pixels, "RGBA"), "PNG")]))[0, ..., 0].numpy()
    assert (seen == pixels[..., 3]).all()


def test_of_an_animation_the_first_picture_is_taken(decode):
    first, second = (Image.fromarray(np.full((9, 8), value, np.uint8)) for value in (60, 200))
    file = _file(first, "GIF", save_all=True, append_images=[second])
    np.testing.assert_array_equal(decode[1](tf.constant([file])), np.full((1, 9, 8, 1), 60))


def test_bmp_files_of_32_bits_and_with_rows_from_top_to_bottom(decode):
    rgb = np.random.RandomState(1).randint(0, 256, (8, 9, 3)).astype(np.uint8)
    rows = np.dstack([rgb[..., ::-1], np.zeros((8, 9), np.uint8)]).tobytes()
    header = struct.pack("<2sIHHI", b"BM", 54 + len(rows), 0, 0, 54)
    file = header + struct.pack("<IiiHHIIiiII", 40, 9, -8, 1, 32, 0, len(rows), 0, 0, 0, 0) + rows
    np.testing.assert_array_equal(decode[3](tf.constant([file]))[0], rgb)


def _png_that_claims(height, width):
    """A PNG file of a few hundred kilobytes of zeros that says it is of some size, and is."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * (height * (width + 1)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _with_size(kind, mode, place, layout):
    """A file in whose header a large size stands."""
    file = bytearray(_file(_images()[mode], kind))
    file[place : place + struct.calcsize(layout)] = struct.pack(layout, 60_000, 60_000)
    return bytes(file)


def _jpeg_with_size():
    file = bytearray(_file(_images()["RGB"], "JPEG"))
    place = file.index(b"\xff\xc0") + 5
    file[place : place + 4] = struct.pack(">HH", 60_000, 60_000)
    return bytes(file)


def _gif_with_a_large_picture():
    """A GIF file whose canvas is small, but not the picture on it."""
    image = _images()["L"]
    file, size = _file(image, "GIF"), struct.pack("<HH", *image.size)
    return file.replace(b"\x2c\0\0\0\0" + size, b"\x2c\0\0\0\0" + struct.pack("<HH", 60_000, 60_000))


@pytest.mark.parametrize(
    "file",
    [
        _png_that_claims(12_000, 12_000),
        _with_size("GIF", "L", 6, "<HH"),
        _with_size("BMP", "RGB", 18, "<ii"),
        _jpeg_with_size(),
        _gif_with_a_large_picture(),
    ],
    ids=["PNG", "GIF", "BMP", "JPEG", "GIF with a small canvas"],
)
def test_a_large_size_is_refused_before_it_takes_memory(decode, file):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(tf.errors.InvalidArgumentError, match="image_bytes must have a height and width of 8 to 200"):
        decode[1](tf.constant([file] * 4))
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    )  # Kilobytes; the PNGs would take 576,000.


_TINY_BLOCKS = {"in one extension": (b"\x21\xfe", b"\x01x", b"\0"), "of their own": (b"", b"\x21\xfe\x01x\0", b"")}


@pytest.mark.slow
@pytest.mark.parametrize("extensions", _TINY_BLOCKS.values(), ids=_TINY_BLOCKS)
def test_tiny_blocks_are_not_walked_through_for_long(decode, extensions):
    """A loop takes microseconds a block, and a picture has at most one for each 255 of its bytes."""
    file = _file(_images()["L"], "GIF")
    place = file.index(b"\x2c\0\0\0\0")
    few, many = (
        b"".join([file[:place], extensions[0], count * extensions[1], extensions[2], file[place:]])
        for count in (1_000, 70_000)
    )
    np.testing.assert_array_equal(decode[1](tf.constant([few])), decode[1](tf.constant([file])))
    with pytest.raises(tf.errors.InvalidArgumentError, match="image_bytes"):
        decode[1](tf.constant([many]))


def _refused():
    good, image = {}, _images()
    for kind in ("PNG", "JPEG", "GIF", "BMP"):
        good[kind] = _file(image["RGB"], kind)
    cut = [(f"{kind} cut", [file[: len(file) // 2]], "image_bytes") for kind, file in good.items()]
    heads = [(f"{kind} head", [file[:9]], "image_bytes") for kind, file in good.items()]
    other = _file(image["RGB"].resize((20, 20)), "PNG")
    return [
        *cut,
        *heads,
        ("empty", [b""], "image_bytes must be PNG, JPEG, GIF or BMP files"),
        ("text", [b"no picture"], "image_bytes must be PNG, JPEG, GIF or BMP files"),
        ("one of two", [good["PNG"], b"no picture"], "image_bytes must be PNG, JPEG, GIF or BMP files"),
        ("none", [], "image_bytes must hold at least one image"),
        ("two sizes", [good["PNG"], other], "image_bytes must hold images of one size"),
        ("palette", [_file(image["P"], "BMP")], "image_bytes must hold no BMP files with a palette of colours"),
        ("small", [_file(image["L"].resize((7, 20)), "PNG")], "must have a height and width of 8 to 200 pixels"),
    ]


@pytest.mark.parametrize(("files", "message"), [case[1:] for case in _refused()], ids=[case[0] for case in _refused()])
def test_other_files_are_refused_by_the_name_of_the_input(decode, files, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        decode[3](tf.constant(files, tf.string))
