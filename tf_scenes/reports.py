"""Small files that are written whole or not at all: reports, flags, pages, arrays."""

import json
import os
from collections.abc import Mapping
from typing import Any, BinaryIO, Callable

import numpy as np

from tf_scenes.errors import UserError


def write_text(path: str, text: str) -> None:
    """Writes a text file beside its place, then renames it; its folder is made where there is none."""
    _write(path, lambda file: file.write(text.encode("utf-8")))


def write_arrays(path: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by name as NumPy's `.npz`, the same way."""
    _write(path, lambda file: np.savez_compressed(file, **arrays))


def _write(path: str, write: Callable[[BinaryIO], object]) -> None:
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    temporary = f"{path}.tmp"
    with open(temporary, "wb") as file:
        write(file)
    os.replace(temporary, path)


def write_report(path: str, report: dict[str, Any]) -> None:
    """Writes a dictionary as JSON."""
    write_text(path, json.dumps(report, indent=2) + "\n")


def read_report(path: str) -> dict[str, Any]:
    """Reads what `write_report` wrote; an empty dictionary where there is no file.

    Raises:
        UserError: the file holds something else.
    """
    if not os.path.exists(path):
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
    except ValueError as error:
        raise UserError(f"{path} is damaged, it is not JSON ({error}): delete it") from error
    if not isinstance(report, dict):
        raise UserError(f"{path} is damaged, it holds no JSON object: delete it")
    return report
