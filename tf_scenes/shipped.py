"""Where the flagfiles, edit scripts and scene scripts are that come with tf_scenes."""

import os

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
# In an installed package it is part of it; in a clone it stands beside it.
_INSTALLED = os.path.join(_PACKAGE, "configs")
_CONFIGS = _INSTALLED if os.path.isdir(_INSTALLED) else os.path.join(os.path.dirname(_PACKAGE), "configs")


def find_shipped(path: str) -> str:
    """A path as it is if it exists; else the path of the file of that name in the folder `configs` of tf_scenes.

    So `configs/lavae.cfg` is found outside of a clone, too.
    """
    folder, _, rest = os.path.normpath(path).partition(os.sep)
    shipped = os.path.join(_CONFIGS, rest)
    return shipped if folder == "configs" and not os.path.exists(path) and os.path.isfile(shipped) else path


def shipped_flagfiles() -> list[str]:
    """Names of the flagfiles in `configs`, sorted."""
    return sorted(name for name in os.listdir(_CONFIGS) if name.endswith(".cfg"))
