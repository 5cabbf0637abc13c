"""Reading and writing text files, and files of any kind so that none is ever incomplete."""

import contextlib
import errno
import fcntl
import glob
import json
import os
import stat
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Callable

from tf_scenes.errors import UserError
from tf_scenes.shipped import find_shipped

_LOCK = ".lock"


def open_file(path: str) -> BinaryIO:
    """Opens a file to be read; what is none, such as a pipe, might never end.

    Raises:
        OSError: If it cannot be opened, or is no file.
    """
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # To open a folder is an error already.
        raise OSError(errno.EINVAL, "it is a pipe or a device, and no file", path)
    return open(path, "rb")


def lines_of(path: str) -> list[str]:
    """The lines of a text file in UTF-8, without the mark of the byte order that some editors begin it with.

    Raises:
        OSError: If it cannot be read, or is no file.
        ValueError: If it is no text, or no file can have that name.
    """
    with open_file(path) as file:
        return file.read().decode("utf-8-sig").splitlines()


def write_whole(path: str, write: Callable[[BinaryIO], object]) -> None:
    """Writes a temporary file and renames it, so that there is never an incomplete file at the path.

    Args:
        path: Path of the file; its folder is created if there is none.
        write: Function that writes the contents into an open binary file.
    """
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{zlib.crc32(os.fsencode(name)):08x}.tmp")  # No longer than any name may be.
    try:
        with open(temporary, "wb") as file:
            write(file)
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        if isinstance(error, OSError) and error.errno:
            raise OSError(error.errno, os.strerror(error.errno), path) from error
        raise


def require_writable(folder: str, flag: str, tries: bool = True) -> None:
    """Checks that files can be written to a folder, which need not exist; leaves everything as it was.

    Args:
        folder: Path of the folder.
        flag: Name of the flag that gives the path, for error messages.
        tries: Whether to make the folder and write a file for a moment, and not only to look whether that is allowed,
            because other processes do the same.

    Raises:
        UserError: If the folder cannot be made, or nothing can be written to it.
    """
    path, missing = os.path.abspath(folder), []
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    try:
        if tries:
            _try_writing(folder, missing)
        else:
            _require_permission(path)
    except (OSError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or "too many folders within one another"
        raise UserError(
            f"--{flag}={folder} cannot be written to ({reason}): a folder, or the name of a new one, is needed"
        ) from error


def _try_writing(folder: str, missing: Sequence[str]) -> None:
    """Writes a file to a folder for a moment; removes the folders that are missing for that, the innermost first."""
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    finally:
        for made in missing:
            with contextlib.suppress(OSError):  # It could not be made, or another process has put something there.
                os.rmdir(made)


def _require_permission(path: str) -> None:
    """Looks whether something that exists is a folder in which this process may make others."""
    os.scandir(path).close()
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def require_kinds(folder: str, flag: str, folders: Sequence[str], files: Sequence[str]) -> None:
    """Checks that nothing of another kind is where folders and files will be written.

    Args:
        folder: Path of a folder, which need not exist.
        flag: Name of the flag that gives the path, for error messages.
        folders: Names of the folders in it.
        files: Names of the files in it.

    Raises:
        UserError: If there is.
    """
    for name in (*folders, *files):
        path = os.path.join(folder, name)
        wanted, is_wanted = ("folder", os.path.isdir) if name in folders else ("file", os.path.isfile)
        if os.path.lexists(path) and not is_wanted(path):
            raise UserError(f"--{flag}={folder} cannot be written to: {name} in it must be a {wanted}, or not be there")


@contextlib.contextmanager
def in_use(folder: str, flag: str) -> Iterator[None]:
    """Keeps other processes from writing to a folder in the meantime; it is made if there is none.

    The lock is held by the process, not by the file `.lock` that it leaves, and so ends with it, however it ends.

    Args:
        folder: Path of the folder.
        flag: Name of the flag that gives the path, for error messages.

    Raises:
        UserError: If another process is writing to it.
    """
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, _LOCK), "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"--{flag}={folder} is in use by another process: wait, or choose another") from error
        yield


def write_text(path: str, text: str) -> None:
    """Writes a text file in UTF-8, as `write_whole` does."""
    write_whole(path, lambda file: file.write(text.encode("utf-8")))


def write_json(path: str, contents: Mapping[str, Any]) -> None:
    """Writes a dictionary as a JSON file, as `write_whole` does."""
    write_text(path, json.dumps(contents, indent=2) + "\n")


def read_text(path: str, default: str) -> str:
    """Reads a text file in UTF-8, or returns `default` if there is none.

    Raises:
        UserError: If the file cannot be read as text.
    """
    if not os.path.exists(path):
        return default
    try:
        with open_file(path) as file:
            return file.read().decode()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"cannot read {path}: it is not a text file") from error


def read_json(path: str) -> dict[str, Any]:
    """Reads a file written by `write_json`; returns an empty dictionary if there is no file.

    Raises:
        UserError: If the file cannot be read, or is not a JSON object.
    """
    if not os.path.exists(path):
        return {}
    try:
        with open_file(path) as file:
            contents = json.load(file)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: it is not JSON ({error}); delete it") from error
    if not isinstance(contents, dict):
        raise UserError(f"{path} is damaged: it is not a JSON object; delete it")
    return contents


def read_lines(path: str, flag: str) -> list[tuple[str, list[str]]]:
    """Reads a text file that a user writes, without comments, which begin with `#`, and without empty lines.

    Args:
        path: Path of the file, or of one in `configs/` that comes with tf_scenes.
        flag: Name of the flag that gives the path, for error messages.

    Returns:
        For each line, its place for error messages (`line 3 of edits.txt`) and the words in it.

    Raises:
        UserError: If the file does not exist or is not a text file.
    """
    try:
        lines = lines_of(find_shipped(path))
    except OSError as error:
        raise UserError(f"cannot read --{flag}={path}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"cannot read --{flag}={path}: {error}") from error
    split = [(f"line {number} of {path}", line.split("#")[0].split()) for number, line in enumerate(lines, start=1)]
    return [(where, words) for where, words in split if words]


def folders_holding(folder: str, name: str) -> list[str]:
    """Names of the folders in `folder` that hold a folder called `name`, sorted."""
    return sorted(each.split(os.sep)[-3] for each in glob.glob(os.path.join(glob.escape(folder), "*", name, "")))
