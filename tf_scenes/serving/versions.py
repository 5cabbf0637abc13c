"""The numbered folders of an exported model."""

import os
from typing import Optional


def versions(folder: str) -> list[int]:
    """The versions in the folder of one part of a model, oldest first."""
    return sorted(int(name) for name in os.listdir(folder) if name.isdecimal()) if os.path.isdir(folder) else []


def newest(folder: str) -> Optional[str]:
    """The folder of the newest version, or None where there is none."""
    found = versions(folder)
    return os.path.join(folder, str(found[-1])) if found else None
