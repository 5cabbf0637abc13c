"""The picture files that a user asks about, and the names of their results."""

import bisect
import collections
import glob
import itertools
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tf_scenes.data.image_files import find_images
from tf_scenes.errors import UserError


class PictureFile(NamedTuple):
    """A picture file.

    Attributes:
        path: Path of the file.
        name: Its path within the folder that was asked about, with `/` between folders: what tables call it.
    """

    path: str
    name: str


class ResultNames:
    """Names of result files, no two of which are alike, on file systems that ignore case either."""

    def __init__(self, files: list[PictureFile]):
        """Gives each picture file a name: its own without extension, or with it if several differ in nothing else.

        Args:
            files: All files for which there may be results.
        """
        self._taken: set[str] = set()
        alone = [os.path.splitext(file.name)[0] for file in files]
        alike = collections.Counter(name.casefold() for name in alone)
        self._names = {
            file.name: self._take(*([name] if alike[name.casefold()] == 1 else []), file.name)
            for file, name in zip(files, alone)
        }

    def of_file(self, file: PictureFile) -> str:
        """The name of the results of a file with one image, without extension, as a path with `/`."""
        return self._names[file.name]

    def each(self, files: Iterable[PictureFile]) -> Iterator[tuple[PictureFile, "ResultNames"]]:
        """Each file with names that hold no more than it and its pages need, however many files there are."""
        taken = sorted(self._taken)
        for file in files:
            own = ResultNames([])
            own._names = {file.name: self._names[file.name]}
            for start in (self._names[file.name], file.name):
                pages = f"{start}_page_".casefold()
                first = bisect.bisect_left(taken, pages)
                own._taken.update(itertools.takewhile(lambda name, pages=pages: name.startswith(pages), taken[first:]))
            yield file, own

    def of_page(self, file: PictureFile, page: int) -> str:
        """The name of the results of one of several pages."""
        return self._take(f"{self._names[file.name]}_page_{page}", f"{file.name}_page_{page}")

    def _take(self, *wanted: str) -> str:
        candidates = itertools.chain(wanted, (f"{wanted[-1]}_{number}" for number in itertools.count(2)))
        name = next(each for each in candidates if each.casefold() not in self._taken)
        self._taken.add(name.casefold())
        return name


def find_inputs(pattern: str, results: str) -> list[PictureFile]:
    """The picture files to look at.

    Args:
        pattern: Folder, glob or file, as `--predict_images`.
        results: Folder of the results; nothing in it is read.

    Raises:
        UserError: If there are no picture files, or only such in the folder of the results.
    """
    paths = find_images(pattern, "predict_images")
    outside = [path for path in paths if not is_within(path, results)]
    if not outside:
        raise UserError(
            f"--predict_images={pattern} holds pictures only in the folder of the results, {results}, of which none is "
            "read: choose another --predict_dir"
        )
    folder = searched_folder(pattern)
    return [PictureFile(path, os.path.relpath(path, folder).replace(os.sep, "/")) for path in outside]


def is_within(path: str, folder: str) -> bool:
    """Whether a path leads into a folder, whatever links there are."""
    path, folder = os.path.realpath(path), os.path.realpath(folder)
    return path.startswith(os.path.join(folder, ""))


def searched_folder(pattern: str) -> str:
    """The folder that names of pictures are relative to: the last one on a path before there is a wildcard."""
    if os.path.isdir(pattern):
        return pattern
    folder = os.path.dirname(pattern)
    while not os.path.exists(pattern) and glob.has_magic(folder):
        folder = os.path.dirname(folder)
    return folder or os.curdir
