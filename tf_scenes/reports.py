"""Small files that are written whole or not at all: reports, flags, pages."""

import json
import os
from typing import Any

from tf_scenes.errors import UserError


def write_text(path: str, text: str) -> None:
    """Writes a text file beside its place, then renames it; its folder is made where there is none."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    temporary = f"{path}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
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
