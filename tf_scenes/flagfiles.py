"""Flagfiles that include others by paths relative to themselves.

absl resolves a `--flagfile` line relative to the working directory, so that a flagfile that includes another would work
in one directory only.
"""

import difflib
import os
from collections.abc import Iterator, Sequence
from typing import Optional

from tf_scenes.errors import UserError
from tf_scenes.files import lines_of
from tf_scenes.shipped import find_shipped, shipped_flagfiles

_PREFIXES = ("--flagfile=", "-flagfile=")
_WORDS = ("--flagfile", "-flagfile")


def expand(arguments: Sequence[str]) -> list[str]:
    """Replaces each flagfile on a command line by its flags, so that flags after a flagfile override its flags.

    Args:
        arguments: Arguments of the command line.

    Returns:
        Arguments without flagfiles.

    Raises:
        UserError: If a flagfile cannot be read, or includes itself.
    """
    return list(_expanded(arguments, folder="", including=()))


def _expanded(arguments: Sequence[str], folder: str, including: tuple[str, ...]) -> Iterator[str]:
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            yield from (argument, *remaining)
        elif argument.startswith(_PREFIXES) or argument in _WORDS:
            name = argument.split("=", 1)[1] if "=" in argument else next(remaining, "")
            yield from _flags_of(_path(name.strip(), folder), including)
        else:
            yield argument


def _path(name: str, folder: str) -> str:
    """Where the flagfile of that name is, for one that is included from the folder of another."""
    path = os.path.join(folder, os.path.expanduser(name))
    return path if folder else find_shipped(path)


def _flags_of(path: str, including: tuple[str, ...]) -> Iterator[str]:
    """The flags in a flagfile, which has one flag on each line; lines that begin with `#` or `//` are comments."""
    if os.path.realpath(path) in including:
        raise UserError(f"--flagfile={path} includes itself")
    try:
        lines = [line.strip() for line in lines_of(path)]
    except OSError as error:
        raise UserError(f"cannot read --flagfile={path}: {error.strerror}{_meant(path)}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"cannot read --flagfile={path}: it is not a text file") from error
    except ValueError as error:
        raise UserError(f"cannot read --flagfile={path!r}: no file can have that name") from error
    lines = [line for line in lines if line and not line.startswith(("#", "//"))]
    if not lines:
        raise UserError(f"--flagfile={path} holds no flag")
    yield from _expanded(lines, os.path.dirname(path), (*including, os.path.realpath(path)))


def _meant(path: str) -> str:
    """The files whose names are most like that of a path, as a question; empty if there are none."""
    folder, name = os.path.split(path)
    names = [*shipped_flagfiles(), *(os.listdir(folder or os.curdir) if os.path.isdir(folder or os.curdir) else ())]
    close = difflib.get_close_matches(name, dict.fromkeys(each for each in names if each.endswith(".cfg")))
    return f"; did you mean {' or '.join(close)}?" if close else ""


def last_name(arguments: Sequence[str]) -> Optional[str]:
    """Name of the last flagfile on a command line: `lavae` for `--flagfile=configs/lavae.cfg`; None without any.

    Args:
        arguments: Command line, in which flagfiles are not expanded.
    """
    name = None
    for argument, following in zip(arguments, [*arguments[1:], ""]):
        if argument.startswith(_PREFIXES):
            name = argument.split("=", 1)[1]
        elif argument in _WORDS:
            name = following
    return os.path.splitext(os.path.basename(name))[0] if name else None
