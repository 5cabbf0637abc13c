"""Which pictures there are, what their results are called, and the images in them."""

import contextlib
import dataclasses
import glob
import itertools
import os
import posixpath
import re
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.io import fileio
from apache_beam.io.filesystem import FileMetadata
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsDict, TaggedOutput

from tf_scenes.beam.filesystems import is_local, local_file
from tf_scenes.beam.progress import Progress
from tf_scenes.data.image_files import hold_results, is_image, natural_order, table_of
from tf_scenes.errors import UserError, first_line
from tf_scenes.prediction.inputs import PictureFile, ResultNames, is_within, searched_folder
from tf_scenes.prediction.pages import Page, read_pages

# Name of the output that names what could not be used, and says why: `(file, reason)`.
ERRORS = "errors"
COUNTERS = "tf_scenes"

# Beam makes a regular expression of a pattern with [[], which stands for a bracket.
warnings.filterwarnings("ignore", "Possible nested set", FutureWarning)

# What a result's name adds to that of its file: names that differ in this only must be looked at together.
_ADDED = re.compile(r"(\.(png|jpe?g|bmp|tiff?)(_\d+)?|_page_\d+)+$")


@dataclasses.dataclass(frozen=True)
class Search:
    """Where pictures are searched.

    Attributes:
        patterns: Beam's patterns.
        folder: Folder that names in tables are relative to.
        results: Folder of the results, in which no picture is looked at.
    """

    patterns: tuple[str, ...]
    folder: str
    results: str

    def name(self, path: str) -> str:
        """What tables call a file, with `/` between folders."""
        if is_local(path):
            return os.path.relpath(path, self.folder).replace(os.sep, "/")
        return path[len(self.folder) :].lstrip("/")

    def is_picture(self, path: str) -> bool:
        """Whether a file is to be looked at: a picture that is not hidden, and no result."""
        hidden = any(part.startswith(".") for part in self.name(path).split("/"))
        return is_image(path) and not hidden and self._is_outside_of_results(path)

    def _is_outside_of_results(self, path: str) -> bool:
        if is_local(path):
            return not is_within(path, self.results)
        return not path.startswith(posixpath.join(self.results, ""))


def search_for(pattern: str, results: str) -> Search:
    """How to find what `--predict_images` means with Beam.

    Args:
        pattern: Absolute path or address of a file; of a folder, which is searched with all folders in it; or a glob,
            whose folders are searched too, and in which `**` stands for any number of folders.
        results: Absolute path or address of the folder of the results.
    """
    if is_local(pattern):
        folder = searched_folder(pattern)
        if os.path.exists(pattern):
            # Beam has no other way to take these characters literally.
            plain = re.sub(r"([*?[])", r"[\1]", pattern)
            return Search((f"{plain.rstrip('/')}/**" if os.path.isdir(pattern) else plain,), folder, results)
    else:
        pattern = pattern.rstrip("/")
        folder = posixpath.dirname(pattern) if glob.has_magic(pattern) or is_image(pattern) else pattern
        while glob.has_magic(folder):
            folder = posixpath.dirname(folder)
    # Beam's `**` stands for at least one folder.
    parts = pattern.split("/**/")
    between = itertools.product(("/**/", "/"), repeat=len(parts) - 1)
    starts = ["".join(itertools.chain(*zip(parts, (*each, "")))) for each in between]
    # Listing a bucket takes long: it is done once if the pattern is that of files.
    ends = ("",) if is_image(pattern) else ("", "/**")
    return Search(tuple(f"{start}{end}" for start in starts for end in ends), folder, results)


class NamedPicture(NamedTuple):
    """A picture file with the names of its results."""

    file: PictureFile
    names: ResultNames


class FindPictures(beam.PTransform):
    """Finds the files; outputs: a `NamedPicture` for each, and `ERRORS`."""

    def __init__(self, search: Search, progress: Progress):
        """Creates the transform.

        Args:
            search: Where the files are.
            progress: Where they are counted.
        """
        super().__init__()
        self._search, self._progress = search, progress

    def expand(self, begin: beam.pvalue.PBegin) -> Any:
        """Makes the outputs."""
        matches = (
            begin
            | "Patterns" >> beam.Create(self._search.patterns)
            | "Match" >> fileio.MatchAll(fileio.EmptyMatchTreatment.ALLOW)
            | "Paths" >> beam.ParDo(_Paths(self._search)).with_outputs(ERRORS, main="paths")
        )
        paths = matches.paths
        # Pictures in them are masks and overlays.
        folders_of_results = (
            paths
            | "Tables" >> beam.FlatMap(_table_in_folder)
            | "Tables by folder" >> beam.GroupByKey()
            | "Folders of results" >> beam.FlatMap(_if_results)
        )
        pictures = paths | "Pictures" >> beam.ParDo(_Select(self._search), AsDict(folders_of_results))
        named = pictures | "Alike names" >> beam.GroupByKey() | "Names" >> beam.FlatMap(_named, self._progress)
        # Any worker may read any file, whichever has found it.
        # Several patterns may find the same file.
        errors = matches[ERRORS] | "Each once" >> beam.Distinct()
        return {"pictures": named | "To all workers" >> beam.Reshuffle(), ERRORS: errors}


class _Paths(beam.DoFn):
    """Paths of files; pictures whose names are no text, which neither Beam nor tables can hold, are errors."""

    def __init__(self, search: Search):
        self._search = search

    def process(self, metadata: FileMetadata) -> Iterator[Any]:
        try:
            metadata.path.encode()
        except UnicodeEncodeError:
            if self._search.is_picture(metadata.path):
                name = self._search.name(metadata.path).encode("utf-8", "backslashreplace").decode()
                yield TaggedOutput(ERRORS, (name, f"{name} has a name that is not UTF-8: rename it"))
            return
        yield metadata.path


def _table_in_folder(path: str) -> Iterator[tuple[str, str]]:
    folder, name = posixpath.split(path)
    table = table_of(name)
    if table:
        yield folder, table


def _if_results(folder: tuple[str, Iterable[str]]) -> Iterator[tuple[str, bool]]:
    path, tables = folder
    if hold_results(tables):
        yield path, True


class _Select(beam.DoFn):
    """Keeps the pictures among the files, by the key of those that are named alike."""

    def __init__(self, search: Search):
        self._search = search

    def process(self, path: str, folders_of_results: dict[str, bool]) -> Iterator[Any]:
        if not self._search.is_picture(path) or self._is_result(path, folders_of_results):
            return
        name = self._search.name(path)
        yield _ADDED.sub("", name.casefold()), PictureFile(path, name)

    def _is_result(self, path: str, folders_of_results: dict[str, bool]) -> bool:
        folder = posixpath.dirname(path)
        while len(folder) > len(self._search.folder):
            if folder in folders_of_results:
                return True
            folder = posixpath.dirname(folder)
        return False


def _named(alike: tuple[str, Iterable[PictureFile]], progress: Progress) -> Iterator[NamedPicture]:
    """Names the results of files whose names are alike, as if they were all the files there are."""
    # Several patterns may find the same file.
    files = sorted({PictureFile(*file) for file in alike[1]}, key=lambda file: natural_order(file.path))
    for file, names in ResultNames(files).each(files):
        progress.add_found()
        yield NamedPicture(file, names)


class ReadPage(NamedTuple):
    """An image, and the path of its file."""

    path: str
    page: Page


class ReadPictures(beam.DoFn):
    """Reads picture files; outputs: a `ReadPage` for each image in them, and `ERRORS`."""

    def __init__(self, progress: Progress):
        """Creates the function.

        Args:
            progress: Where files are counted.
        """
        super().__init__()
        self._progress = progress
        self._files = Metrics.counter(COUNTERS, "files")

    def process(self, picture: NamedPicture) -> Iterator[Any]:
        """Reads a file."""
        file, names = picture
        self._files.inc()
        with contextlib.ExitStack() as copies:
            try:
                copy = copies.enter_context(local_file(file.path))
            except Exception as error:  # Each file system has errors of its own.
                yield TaggedOutput(ERRORS, (file.name, f"{file.path}: {first_line(error)}"))
            else:
                yield from self._pages(file, copy, names)
        self._progress.add_read()

    def _pages(self, file: PictureFile, copy: str, names: ResultNames) -> Iterator[Any]:
        try:
            pages, _ = read_pages(PictureFile(copy, file.name), names)
        except UserError as error:
            yield TaggedOutput(ERRORS, (file.name, str(error).replace(copy, file.path)))
            return
        yield from (ReadPage(file.path, page) for page in pages)
