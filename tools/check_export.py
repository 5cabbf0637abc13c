"""Loads an exported encoder and decoder, and runs both: python tools/check_export.py FOLDER."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from tf_scenes.app.endings import one_line_errors
from tf_scenes.descriptions import MASKS, PRESENCE
from tf_scenes.errors import UserError
from tf_scenes.serving.exported import ExportedModel


def main(folder: str) -> None:
    """Encodes and decodes noise of two sizes, and prints what the encoder returns.

    Args:
        folder: Folder of the exported model.

    Raises:
        UserError: If it cannot be loaded, or what it returns is not as it should be.
    """
    model = ExportedModel(folder)
    if model.finds_objects:
        model.require_masks()
    for side in (48, 71):
        images = np.random.RandomState(side).uniform(size=(3, side, side, model.channels)).astype(np.float32)
        description = model.segment(images) if model.finds_objects else model.encode(images)
        print({name: (value.dtype.name, list(value.shape)) for name, value in description.items()})
        if model.finds_objects:
            _require(folder, "masks", description[MASKS], (3, side, side), description[PRESENCE].shape[1])
        _require(folder, "images", model.decode(description, side, side), images.shape, 1)
    print(f"Reloaded {folder}: encoder and decoder work.")


def _require(folder: str, name: str, values: np.ndarray, shape: tuple[int, ...], largest: int) -> None:
    if values.shape != shape or not ((values >= 0) & (values <= largest)).all():
        raise UserError(f"{folder} gives {name} of shape {values.shape}, or values outside of 0 to {largest}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python tools/check_export.py FOLDER")
    with one_line_errors():
        main(sys.argv[1])
