"""Decoding of picture files page by page: TIFF by `tifffile`, the other kinds, and what that cannot, by Pillow."""

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator
from typing import Callable, NamedTuple, Optional

import numpy as np
import tifffile
from PIL import Image

from tf_scenes.errors import UserError, first_line
from tf_scenes.files import open_file

# Damaged files are reported by exceptions, in one line each, not by `tifffile`'s log as well.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# The others, such as YCbCr, are for Pillow.
_TIFFFILE_KINDS = [tifffile.PHOTOMETRIC[name] for name in ("MINISWHITE", "MINISBLACK", "RGB", "PALETTE", "SEPARATED")]
# Words in the errors of `tifffile` about what it leaves to a package of decoders.
_UNDECODED = ("imagecodecs", "not supported")
_PILLOW_FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
_ORIENTATION = 274
# Pillow takes pictures of over 89 megapixels for attacks. A user's own may be larger; this is a bound all the same.
_MOST_PIXELS = 2**30
# What a TIFF file says it holds is believed up to so many bytes, and up to so many times its own size.
_HARMLESS, _HIGHEST_COMPRESSION = 2**26, 2_000


class Pixels(NamedTuple):
    """A page of a file.

    Attributes:
        values: Numbers of any real type, `[height, width, channels]`.
        opacity: From 0 to the largest number of that type, or 1 for floats, `[height, width, 1]`; None if there is
            nothing to see through.
    """

    values: np.ndarray
    opacity: Optional[np.ndarray] = None


# Takes an image of Pillow that is not loaded yet.
FromPillow = Callable[[Image.Image], Pixels]
# Takes a page of `tifffile` and the numbers stored in it, `[height, width, samples]`.
FromTiff = Callable[[tifffile.TiffPage, np.ndarray], Pixels]


def decode(path: str, from_pillow: FromPillow, from_tiff: FromTiff) -> list[Pixels]:
    """Decodes all pages of a file.

    Args:
        path: Path of a PNG, JPEG, BMP or TIFF file; its first bytes decide which it is.
        from_pillow: Function from an image of Pillow to a page.
        from_tiff: Function from a page of `tifffile` to a page.

    Returns:
        Pages, turned upright.

    Raises:
        UserError: If the file cannot be read; the message is one line with its path.
    """
    with _failures_in_one_line(path), _LARGE_PICTURES:
        with open_file(path) as file:
            is_tiff = file.read(4) in _TIFF_STARTS
        if is_tiff:
            return list(_tiff_pages(path, from_pillow, from_tiff))
        return [_pillow_page(path, from_pillow)]


@contextlib.contextmanager
def _failures_in_one_line(path: str) -> Iterator[None]:
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:  # A damaged file makes decoders fail in any way.
        said = error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)
        raise UserError(f"cannot read {path}: {said}") from error


class _LargePictures:
    """A context in which Pillow reads large pictures, without warnings.

    Pillow's limit and Python's warnings belong to the process: of several threads, the first changes them, and the last
    one changes them back.
    """

    def __init__(self):
        self._lock, self._threads, self._changed = threading.Lock(), 0, contextlib.ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            self._threads += 1
            if self._threads == 1:
                self._changed.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
                self._changed.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
                Image.MAX_IMAGE_PIXELS = _MOST_PIXELS

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._threads -= 1
            if not self._threads:
                self._changed.close()


_LARGE_PICTURES = _LargePictures()


def _pillow_page(path: str, from_pillow: FromPillow, number: int = 0) -> Pixels:
    Image.init()  # Or else Pillow would not know TIFF yet.
    with Image.open(path, formats=_PILLOW_FORMATS) as image:
        image.seek(number)
        pixels = from_pillow(image)
        # The images of TIFF files Pillow turns itself.
        return pixels if image.format == "TIFF" else _upright(pixels, image.getexif().get(_ORIENTATION, 1))


def _tiff_pages(path: str, from_pillow: FromPillow, from_tiff: FromTiff) -> Iterator[Pixels]:
    with tifffile.TiffFile(path) as file:
        _check_structure(path, file)
        for number, page in enumerate(file.pages):
            described = page.keyframe  # Where a page has the same tags as another, that one has them.
            if described.is_reduced:  # A preview of another page.
                continue
            stored = _stored(file, page)
            if stored is None:
                yield _pillow_tiff_page(path, from_pillow, number, described)
                continue
            tag = described.tags.get(_ORIENTATION)
            for samples in stored:
                yield _upright(from_tiff(described, samples), int(tag.value) if tag else 1)


def _check_structure(path: str, file: tifffile.TiffFile) -> None:
    pages = file.pages
    file.filehandle.seek(pages.next_page_offset or 0)
    if not len(pages) or any(file.filehandle.read(file.tiff.offsetsize)):  # A whole file ends its list of pages by 0.
        raise UserError(f"cannot read {path}: the file is cut off or damaged")
    for series in file.series:
        channels = dict(zip(series.axes, series.shape)).get("C", 1)
        if channels > 1 and "S" not in series.axes:
            raise UserError(
                f"{path} has {channels} channels (axes {series.axes}): only grey and RGB pictures are read; save the "
                "channel that shows the objects to a file of its own"
            )


def _stored(file: tifffile.TiffFile, page: tifffile.TiffPage) -> Optional[np.ndarray]:
    """The numbers in a page, `[planes, height, width, samples]`; None if `tifffile` cannot decode them."""
    if page.keyframe.photometric not in _TIFFFILE_KINDS:
        return None
    # Some writers of stacks describe only the first plane as a page. OME's may continue in other files: each its own.
    stack = len(file.pages) == 1 and not file.is_ome and file.series[0].size > page.size
    held = file.series[0] if stack else page
    if held.nbytes > max(_HARMLESS, _HIGHEST_COMPRESSION * file.filehandle.size):
        raise ValueError(f"it says that it holds {held.nbytes:,} bytes of pixels, which a file of its size cannot")
    try:
        values = held.asarray()
    except Exception as error:
        if any(words in str(error) for words in _UNDECODED):
            return None
        raise
    axes = file.series[0].axes if stack else page.keyframe.axes
    values = np.moveaxis(values, axes.index("S"), -1) if "S" in axes else values[..., None]
    return values.reshape(-1, *values.shape[-3:])


def _pillow_tiff_page(path: str, from_pillow: FromPillow, number: int, page: tifffile.TiffPage) -> Pixels:
    unread = UserError(
        f"cannot read {path}: {page.compression.name} of {page.bitspersample} bits and {page.samplesperpixel} channels "
        "is not supported; save it uncompressed or with Deflate"
    )
    if page.samplesperpixel > 1 and page.bitspersample > 8:  # Pillow would keep only the upper 8 bits.
        raise unread
    try:
        return _pillow_page(path, from_pillow, number)
    except Image.UnidentifiedImageError as error:
        raise unread from error


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    return Pixels(*(None if each is None else _turned(each, orientation) for each in pixels))


def _turned(values: np.ndarray, orientation: int) -> np.ndarray:
    """Turns an image upright; its orientation is 1 to 8, as EXIF and TIFF number them."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values[:, ::-1] if orientation in (2, 3, 6, 7) else values
