"""Pictures in a user's files: which files there are, and the images in them."""

import glob
import os
import re
from collections.abc import Iterable
from typing import Any, NamedTuple, Optional

import numpy as np
import tensorflow as tf
import tifffile
from PIL import Image

from tf_scenes.data.decoding import Pixels, decode
from tf_scenes.errors import UserError
from tf_scenes.files import open_file

KINDS = "PNG, JPEG, BMP and TIFF"
_EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")

# The tables of a prediction, each a file or, by --mode=predict_beam, in parts.
_TABLES = {"counts", "objects", "instances"}
_TABLE_FILE = re.compile(r"(\w+)(\.csv|\.json|-\d{5}-of-\d{5}\.parquet)")

# Pillow's names of types of pixels.
_GREY = ("1", "L", "LA", "La")
_TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
_NUMBERS = ("F", "I", "I;16", "I;16L", "I;16B", "I;16N")
_PNG_START = b"\x89PNG\r\n\x1a\n"
# In a PNG file's header, of types of colour: grey with opacity, RGB, and RGB with opacity.
_PNG_SEVERAL_CHANNELS = (4, 2, 6)
# Of red, green and blue: ITU-R BT.601, as in Pillow and TensorFlow.
_BRIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)


class Picture(NamedTuple):
    """What a file shows.

    Attributes:
        pages: Its images, uint8, uint16 or float32 `[height, width, channels]`, with 1 or 3 channels.
        transparent: Whether black shows through any of its pixels.
    """

    pages: list[np.ndarray]
    transparent: bool


def find_images(pattern: str, flag: str) -> list[str]:
    """The pictures that a path stands for.

    Args:
        pattern: A file; a folder, which is searched with all folders in it; or a glob, in which `**` stands for any
            number of folders, and whose folders are searched too. Hidden files and folders are left out, and folders
            with the results of a prediction, whose masks and overlays are no pictures to look at.
        flag: Name of the flag that gives the path, for error messages.

    Returns:
        Paths of the files that are pictures by their extensions, in natural order: `cell_9.png` before `cell_10.png`.

    Raises:
        UserError: If there are none.
    """
    matches = [pattern] if os.path.exists(pattern) else glob.glob(pattern, recursive=True)
    if not matches:
        raise UserError(f"--{flag}={pattern} does not exist: a picture, a folder or a glob of {KINDS} files is needed")
    found = {os.path.normpath(path) for match in matches for path in _files(match, pattern) if is_image(path)}
    if not found:
        raise UserError(f"--{flag}={pattern} holds no picture: {KINDS} files ({', '.join(_EXTENSIONS)}) are read")
    return sorted(found, key=natural_order)


def is_image(path: str) -> bool:
    """Whether a file is a picture that can be read, by its extension."""
    return path.lower().endswith(_EXTENSIONS)


def table_of(name: str) -> Optional[str]:
    """The table of a prediction that a file is, or is a part of, by its name without folders; None if it is none."""
    found = _TABLE_FILE.fullmatch(name)
    return found[1] if found and found[1] in _TABLES else None


def hold_results(tables: Iterable[Optional[str]]) -> bool:
    """Whether a folder with some tables, see `table_of`, holds the results of a prediction: it has all of them then."""
    return set(tables) >= _TABLES


def _files(path: str, pattern: str) -> list[str]:
    """The files that a match of a pattern stands for; of a folder with results only if it is what was asked for."""
    if not os.path.isdir(path):
        return [path]
    files, visited = [], {os.path.realpath(path)}
    for folder, folders, names in os.walk(path, followlinks=True):
        inside = {os.path.realpath(os.path.join(folder, name)): name for name in folders if not name.startswith(".")}
        folders[:] = [name for place, name in inside.items() if place not in visited]
        visited.update(inside)  # A link may lead to a folder that holds it.
        if folder != pattern and hold_results(map(table_of, names)):
            folders.clear()
            continue
        files += [os.path.join(folder, name) for name in names if not name.startswith(".")]
    return files


def natural_order(path: str) -> list[Any]:
    """A key that sorts folder by folder, and numbers in names by their values."""
    return [(_with_numbers(name.lower()), name) for name in path.split(os.sep)]


def _with_numbers(name: str) -> list[Any]:
    return [int(part) if place % 2 else part for place, part in enumerate(re.split("([0-9]+)", name))]


def read_picture(path: str) -> Picture:
    """Reads the images in a file: the pages of a TIFF file, or the one image of any other.

    Integers of 8 and 16 bits stay as they are. Other integers become uint16 if all of them fit, otherwise float32, as
    floats do. Black and white becomes 0 and 255, palettes and CMYK become RGB. Images are turned as the camera's
    orientation says. What is transparent is drawn over black. The planes of a stack over depth or time are pages;
    channels of microscopes are refused, since they are not colours.

    Args:
        path: Path of a PNG, JPEG, BMP or TIFF file; its first bytes decide which it is.

    Raises:
        UserError: If the file cannot be read, has other channels than grey or RGB, or holds NaN or infinity.
    """
    pages = [_over_black(pixels) for pixels in decode(path, _from_pillow, _from_tiff)]
    return Picture([_plain(values, path) for values, _ in pages], any(transparent for _, transparent in pages))


def as_unit_range(image: np.ndarray) -> np.ndarray:
    """Scales an image to [0, 1] by the range of its type.

    Unsigned integers are divided by the largest number of their type. Other numbers stay as they are if they lie in
    [0, 1]; otherwise they are scaled by the image's own minimum and maximum.

    Args:
        image: Finite numbers of any real type and shape.

    Returns:
        Image, float32 of the same shape.
    """
    if np.issubdtype(image.dtype, np.unsignedinteger):
        return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    low, high = float(image.min()), float(image.max())
    if low >= 0.0 and high <= 1.0:
        return image.astype(np.float32)
    return ((image.astype(np.float64) - low) / ((high - low) or 1.0)).astype(np.float32)


def with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """Converts an image to grey, by the brightness of its colours, or to RGB.

    Args:
        image: Image of any real type, `[height, width, 1 or 3]`.
        channels: 1 or 3.

    Returns:
        Image of the same type, `[height, width, channels]`.
    """
    if image.shape[-1] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=-1)
    grey = image @ _BRIGHTNESS[:, None]
    return (np.rint(grey) if np.issubdtype(image.dtype, np.integer) else grey).astype(image.dtype)


def _over_black(pixels: Pixels) -> tuple[np.ndarray, bool]:
    """The visible pixels, and whether any was transparent."""
    values, opacity = pixels
    if opacity is None:
        return values, False
    is_float = np.issubdtype(values.dtype, np.floating)
    opaque = 1.0 if is_float else float(np.iinfo(values.dtype).max)
    if (opacity >= opaque).all():
        return values, False
    drawn = values * (opacity / opaque)
    return (drawn if is_float else np.rint(drawn)).astype(values.dtype), True


def _plain(values: np.ndarray, path: str) -> np.ndarray:
    """The numbers in one of the three types that images have."""
    if values.dtype == bool:
        values = np.where(values, 255, 0).astype(np.uint8)
    elif np.issubdtype(values.dtype, np.integer):
        if values.dtype.itemsize > 2 or np.issubdtype(values.dtype, np.signedinteger):
            fit = values.min() >= 0 and values.max() <= np.iinfo(np.uint16).max
            values = values.astype(np.uint16 if fit else np.float32)
    elif np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float32)
        if not np.isfinite(values).all():
            raise UserError(f"{path} holds NaN or infinity: only finite numbers are read")
    else:
        raise UserError(f"{path} holds numbers of type {values.dtype}: integers or floats are read")
    return np.ascontiguousarray(values, values.dtype.newbyteorder("="))


def _without_needless_colors(colors: np.ndarray) -> np.ndarray:
    """A palette's colours as grey if they are all grey."""
    return colors[..., :1] if (colors == colors[..., :1]).all() else colors


def _from_pillow(image: Image.Image) -> Pixels:
    if _is_deep_color_png(image.filename):
        # Pillow would keep only the upper 8 of the 16 bits.
        values = tf.io.decode_png(tf.io.read_file(image.filename), dtype=tf.uint16).numpy()
        return Pixels(values) if values.shape[-1] == 3 else Pixels(values[..., :-1], values[..., -1:])
    if image.mode in _NUMBERS:
        return Pixels(np.asarray(image)[..., None])
    mode, transparent = image.mode, image.mode in _TRANSPARENT or "transparency" in image.info
    values = np.asarray(image.convert(("L" if mode in _GREY else "RGB") + ("A" if transparent else "")))
    values, opacity = (values[..., :-1], values[..., -1:]) if transparent else (np.atleast_3d(values), None)
    return Pixels(_without_needless_colors(values) if mode in ("P", "PA") else values, opacity)


def _is_deep_color_png(path: str) -> bool:
    with open_file(path) as file:
        header = file.read(26)
    return header.startswith(_PNG_START) and header[24] == 16 and header[25] in _PNG_SEVERAL_CHANNELS


def _from_tiff(page: tifffile.TiffPage, samples: np.ndarray) -> Pixels:
    kind = page.photometric
    if kind == tifffile.PHOTOMETRIC.PALETTE:
        colors = np.moveaxis(page.colormap[:, samples[..., 0]], 0, -1)
        # Entries of a palette have 16 bits, of which some writers use the lower 8 only.
        return Pixels(_without_needless_colors((colors >> 8 if page.colormap.max() > 255 else colors).astype(np.uint8)))
    if kind == tifffile.PHOTOMETRIC.SEPARATED:
        return Pixels(_from_cmyk(samples))
    if kind == tifffile.PHOTOMETRIC.MINISWHITE:
        samples = _inverted(samples, page.bitspersample)
    return _without_extra_samples(samples, 3 if kind == tifffile.PHOTOMETRIC.RGB else 1, page.extrasamples)


def _from_cmyk(samples: np.ndarray) -> np.ndarray:
    height, width, inks = samples.shape
    if inks != 4 or samples.dtype != np.uint8:
        raise ValueError(f"it has {inks} inks of type {samples.dtype}: CMYK is read with 8 bits only; save it as RGB")
    return np.asarray(Image.frombytes("CMYK", (width, height), samples.tobytes()).convert("RGB"))


def _inverted(samples: np.ndarray, bits: int) -> np.ndarray:
    if samples.dtype == bool:
        return ~samples
    return 2**bits - 1 - samples if np.issubdtype(samples.dtype, np.unsignedinteger) else samples


def _without_extra_samples(samples: np.ndarray, colors: int, extra: tuple[int, ...]) -> Pixels:
    if samples.shape[-1] in (colors, 3):  # Three samples are taken for RGB, whatever the file calls them.
        return Pixels(samples)
    values = samples[..., :colors]
    if samples.shape[-1] == colors + 1 and extra == (tifffile.EXTRASAMPLE.UNASSALPHA,):
        return Pixels(values, samples[..., colors:])
    # Colours that are already multiplied by their opacity are those over black.
    if samples.shape[-1] == colors + 1 and (colors == 3 or extra == (tifffile.EXTRASAMPLE.ASSOCALPHA,)):
        return Pixels(values)
    raise ValueError(f"it has {samples.shape[-1]} channels: only grey and RGB pictures are read; save one by itself")
