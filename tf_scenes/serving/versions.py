"""The versions of an exported model, which are numbered folders."""

import os
from typing import Optional

# The halves of an exported model, each with versions of its own.
PARTS = ("encoder", "decoder")
# In a version's folder: which half of which model it is. TensorFlow leaves such files alone.
IDENTITY = os.path.join("assets.extra", "tf_scenes.json")


def versions(folder: str) -> list[int]:
    """Version numbers in the folder of an exported encoder or decoder, oldest first."""
    return sorted(int(name) for name in os.listdir(folder) if name.isdecimal()) if os.path.isdir(folder) else []


def newest(folder: str) -> Optional[str]:
    """Path of the newest version in the folder of an exported encoder or decoder; None if there is none."""
    found = versions(folder)
    return os.path.join(folder, str(found[-1])) if found else None
