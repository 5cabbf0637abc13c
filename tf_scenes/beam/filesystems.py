"""Files on any of Beam's file systems, which a path names by its scheme: gs://, s3://, hdfs://; without one, local."""

import contextlib
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator

from apache_beam.io.filesystem import CompressionTypes, FileSystem
from apache_beam.io.filesystems import FileSystems
from apache_beam.utils import retry

from tf_scenes.files import write_whole

# The file system that replaces no file.
HDFS = "hdfs"
# A name that ends in .gz is no reason to unpack the file.
_AS_IT_IS = CompressionTypes.UNCOMPRESSED


def schemes() -> set[str]:
    """The schemes of the file systems that are installed, other than this machine's own."""
    return {each.scheme() for each in FileSystem.get_all_subclasses() if each.scheme()} - {"file"}


def is_local(path: str) -> bool:
    """Whether a path is one of this machine's own file systems."""
    return FileSystems.get_scheme(path) is None


def matching(pattern: str) -> list[str]:
    """Paths of the files that match one of Beam's patterns, sorted.

    Raises:
        Exception: Whatever the file system raises where it cannot be used; each of Beam's has errors of its own.
    """
    (result,) = FileSystems.match([pattern])
    return sorted(metadata.path for metadata in result.metadata_list)


def matching_at_most(pattern: str, limit: int) -> list[str]:
    """Paths of some files that match one of Beam's patterns, of all if there are fewer than the limit.

    Raises:
        Exception: As `matching` does.
    """
    (result,) = FileSystems.match([pattern], limits=[limit])
    return [metadata.path for metadata in result.metadata_list]


def require_writable_elsewhere(folder: str) -> None:
    """Writes a file to a folder of another file system, and deletes it.

    Raises:
        Exception: Whatever the file system raises where that is not allowed.
    """
    path = FileSystems.join(folder, ".tf_scenes")
    write_file(path, b"")
    FileSystems.delete([path])


def delete_folders(pattern: str) -> None:
    """Deletes the folders whose names match a pattern, with all in them.

    Raises:
        Exception: As `matching` does.
    """
    if is_local(pattern):
        parent, name = os.path.split(pattern)
        for folder in glob.glob(os.path.join(glob.escape(parent), name)):
            shutil.rmtree(folder, ignore_errors=True)  # Another process may delete it, too.
        return
    delete_files(f"{pattern}/**")


def delete_files(pattern: str) -> None:
    """Deletes the files that match one of Beam's patterns.

    Raises:
        Exception: As `matching` does.
    """
    files = matching(pattern)
    if files:
        FileSystems.delete(files)


def write_file(path: str, contents: bytes) -> None:
    """Writes a file whole: other programs see all of it or nothing.

    Raises:
        Exception: As `matching` does.
    """
    if is_local(path):
        write_whole(path, lambda file: file.write(contents))
        return
    if FileSystems.get_scheme(path) == HDFS and FileSystems.exists(path):  # Of a bundle that is tried again.
        FileSystems.delete([path])
    # Stores of objects show a file once it is closed.
    with FileSystems.create(path, compression_type=_AS_IT_IS) as file:
        file.write(contents)


@contextlib.contextmanager
def local_file(path: str) -> Iterator[str]:
    """A file as one of this machine's own, copied if it is elsewhere; the copy vanishes at the end.

    Raises:
        Exception: As `matching` does, if it cannot be copied, which is tried several times.
    """
    if is_local(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "file")
        _copy(path, copy)
        yield copy


@contextlib.contextmanager
def local_folder(path: str) -> Iterator[str]:
    """A folder with all in it as one of this machine's own, copied if it is elsewhere; the copy vanishes at the end.

    Raises:
        Exception: As `matching` does.
    """
    if is_local(path):
        yield path
        return
    path = path.rstrip("/")
    with tempfile.TemporaryDirectory() as folder:
        for file in matching(f"{path}/**"):
            copy = os.path.join(folder, *file[len(path) + 1 :].split("/"))
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            _copy(file, copy)
        yield folder


@retry.with_exponential_backoff(num_retries=3, initial_delay_secs=1.0, retry_filter=lambda error: True)
def _copy(path: str, copy: str) -> None:
    with FileSystems.open(path, compression_type=_AS_IT_IS) as source, open(copy, "wb") as target:
        shutil.copyfileobj(source, target)
