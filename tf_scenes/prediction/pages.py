"""The images in a picture file, and why one cannot be used."""

import contextlib
import errno
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tf_scenes.data.image_files import read_picture
from tf_scenes.errors import UserError, first_line
from tf_scenes.prediction.inputs import PictureFile, ResultNames


class Page(NamedTuple):
    """An image in a file.

    Attributes:
        file: What tables call it.
        result_name: Path of its mask and its overlay in their folders, without extension, with `/`.
        picture: Its pixels, uint8, uint16 or float32 `[height, width, 1 or 3]`.
    """

    file: str
    result_name: str
    picture: np.ndarray


def read_pages(file: PictureFile, names: ResultNames) -> tuple[list[Page], bool]:
    """Reads the images in a file: each page of a TIFF file, or the one image of any other.

    Args:
        file: The file.
        names: Names of results.

    Returns:
        The images, and whether black shows through transparent pixels of any of them.

    Raises:
        UserError: If the file cannot be read; the message names it.
    """
    try:
        picture = read_picture(file.path)
    except UserError as error:
        # Most of these errors name the file.
        raise UserError(str(error) if file.path in str(error) else f"{file.path}: {error}") from error
    except MemoryError as error:
        raise UserError(f"{file.path} is too large for this machine's memory") from error
    if len(picture.pages) == 1:
        return [Page(file.name, names.of_file(file), picture.pages[0])], picture.transparent
    pages = [
        Page(f"{file.name}[{number}]", names.of_page(file, number), page) for number, page in enumerate(picture.pages)
    ]
    return pages, picture.transparent


@contextlib.contextmanager
def refuses_long_names() -> Iterator[None]:
    """Turns the file system's refusal of a name within into an error that is about one image.

    Raises:
        UserError: If a name is too long.
    """
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:  # Else it is about the disk, and all that follow would fail, too.
            raise
        raise UserError("its name is too long for files of results") from error


def unusable(path: str, page: Page, scale: float, error: Exception) -> str:
    """Says why an image that could be read cannot be used.

    Args:
        path: Path of its file.
        page: The image.
        scale: Factor by which it is resized before the model sees it.
        error: What went wrong.
    """
    height, width = page.picture.shape[:2]
    image = f"{path}, {height} x {width} pixels" + (f" times {scale:g}" if scale != 1.0 else "")
    if isinstance(error, MemoryError):
        return f"{image}, is too large for this machine's memory"
    return f"{image}, cannot be used: {first_line(error)}"
