"""Reading and writing `.npz` files, without incomplete files and without pickles."""

import os
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from tf_scenes.errors import UserError
from tf_scenes.files import write_whole


def write_arrays(path: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes named arrays as an `.npz` file, as `write_whole` does."""
    write_whole(path, lambda file: np.savez_compressed(file, **arrays))


def read_arrays(path: str, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Reads named arrays from an `.npz` file; pickled objects are refused.

    Args:
        path: Path of the file.
        required: Names of arrays that the file must have.
        optional: Names of further arrays to read if the file has them.

    Returns:
        Arrays by name.

    Raises:
        UserError: If the file does not exist or is not an `.npz` file, if a required array is missing, or if an array
            to read is pickled.
    """
    if not os.path.isfile(path):
        raise UserError(f"{path} does not exist: an .npz file with {', '.join(required)} is needed")
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):  # A single array, which cannot be closed.
            raise UserError(f"{path} is not an .npz archive (np.savez writes one)")
        with archive:
            missing = [name for name in required if name not in archive]
            if missing:
                found = ", ".join(archive.files) or "nothing"
                raise UserError(f"{path} has no array '{missing[0]}'; it holds {found}")
            wanted = [name for name in (*required, *optional) if name in archive]
            return {name: archive[name] for name in wanted}
    except UserError:
        raise
    except (OSError, EOFError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise UserError(f"cannot read {path} as an .npz of plain arrays without pickles: {error}") from error
