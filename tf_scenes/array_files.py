"""Reading and writing `.npz` files, without incomplete files and without pickles."""

import lzma
import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Optional

import numpy as np

from tf_scenes.errors import UserError, first_line
from tf_scenes.files import write_whole

_MEMBER = ".npy"
# What reads the header of an array, by the version of its format.
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
# What Python's libraries raise for archives and arrays that are damaged, encrypted or compressed in unknown ways.
_DAMAGED = (
    *(OSError, EOFError, KeyError, TypeError, ValueError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(SyntaxError, tokenize.TokenError),  # NumPy reads the header of an array as Python.
)


def write_arrays(path: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes named arrays as an `.npz` file, as `write_whole` does."""
    write_whole(path, lambda file: np.savez_compressed(file, **arrays))


def read_arrays(
    path: str, required: Sequence[str], optional: Sequence[str] = (), aliases: Optional[Mapping[str, str]] = None
) -> dict[str, np.ndarray]:
    """Reads named arrays from an `.npz` file; pickled objects are refused.

    Args:
        path: Path of the file.
        required: Names of arrays that the file must have.
        optional: Names of further arrays to read if the file has them.
        aliases: Other names that arrays may have in the file instead, by name.

    Returns:
        Arrays by name.

    Raises:
        UserError: If the file does not exist or is not an `.npz` file, if a required array is missing, or if an array
            to read is pickled.
    """
    if not os.path.isfile(path):
        raise UserError(f"{path} does not exist: an .npz file with {', '.join(required)} is needed")
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is not an .npz archive (np.savez writes one)")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name[: -len(_MEMBER)]: name for name in archive.namelist() if name.endswith(_MEMBER)}
            for name, alias in (aliases or {}).items():
                if name not in members and alias in members:
                    members[name] = members.pop(alias)
            missing = [name for name in required if name not in members]
            if missing:
                found = ", ".join(members) or "nothing"
                raise UserError(f"{path} has no array '{missing[0]}'; it holds {found}")
            wanted = [name for name in (*required, *optional) if name in members]
            return {name: _read_member(archive, members[name], f"'{name}' in {path}") for name in wanted}
    except UserError:
        raise
    except MemoryError as error:
        raise UserError(f"{path} holds larger arrays than this machine has memory for") from error
    except _DAMAGED as error:
        reason = first_line(error)
        raise UserError(f"cannot read {path} as an .npz of plain arrays without pickles: {reason}") from error


def _read_member(archive: zipfile.ZipFile, member: str, what: str) -> np.ndarray:
    """Reads an array of an archive, for which no more memory is taken than the archive says that it holds."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"{what} has an unknown format, {version}")
        shape, in_columns, dtype = _HEADERS[version](file)
        if dtype.hasobject:
            raise UserError(f"{what} holds Python objects: arrays of numbers, without pickles, are needed")
        size, there = math.prod(shape) * dtype.itemsize, archive.getinfo(member).file_size
        # What the archive says need not be true either: a small file can expand to more than there is memory.
        content = file.read(size + 1) if size <= there else b""
    if len(content) != size:
        raise ValueError(f"{what} has not as many bytes as its header says: {dtype} of shape {shape}")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if in_columns else "C")
