"""Reading users' files: MNIST's formats and `.npz` archives, never pickles."""

import gzip
import os
import struct
import zipfile
from collections.abc import Sequence
from typing import Optional

import numpy as np

from tf_scenes.errors import UserError

_MNIST_HOW = (
    "give --mnist_path, a folder with MNIST's IDX .gz files (train-... or t10k-images-idx3-ubyte.gz and "
    "...-labels-idx1-ubyte.gz) or Keras's mnist.npz, or let Keras download it on a machine with internet access"
)


def load_mnist(path: Optional[str]) -> tuple[np.ndarray, np.ndarray]:
    """All MNIST digits that `path` holds (training digits first), or Keras's copy where `path` is None.

    Returns:
        uint8 `[digits, 28, 28]` and int `[digits]`.

    Raises:
        UserError: no digits can be read; the message says what would help.
    """
    if path is None:
        return _mnist_from_keras()
    if not os.path.exists(path):
        raise UserError(f"--mnist_path={path} does not exist: {_MNIST_HOW}")
    if path.endswith(".npz"):
        names = ("x_train", "y_train", "x_test", "y_test")
        arrays = load_npz(path, required=names)
        images = np.concatenate([arrays["x_train"], arrays["x_test"]])
        labels = np.concatenate([arrays["y_train"], arrays["y_test"]])
    else:
        images, labels = _mnist_from_idx(path)
    if images.ndim != 3 or images.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise UserError(f"{path} holds no MNIST digits: images must be uint8, N x 28 x 28, with N labels")
    return images, labels.astype(np.int32)


def _mnist_from_keras() -> tuple[np.ndarray, np.ndarray]:
    from tensorflow import keras

    try:
        (train_images, train_labels), (test_images, test_labels) = keras.datasets.mnist.load_data()
    except Exception as error:  # Keras raises a bare Exception for a failed download.
        raise UserError(f"Keras could not download MNIST: {_MNIST_HOW}") from error
    images = np.concatenate([train_images, test_images])
    return images, np.concatenate([train_labels, test_labels]).astype(np.int32)


def _mnist_from_idx(path: str) -> tuple[np.ndarray, np.ndarray]:
    if os.path.isdir(path):
        candidates = [os.path.join(path, f"{part}-images-idx3-ubyte.gz") for part in ("train", "t10k")]
        image_files = [name for name in candidates if os.path.exists(name)]
    else:
        image_files = [path]
    if not image_files:
        raise UserError(f"--mnist_path={path} holds no ...-images-idx3-ubyte.gz: {_MNIST_HOW}")
    images, labels = [], []
    for image_file in image_files:
        folder, name = os.path.split(image_file)
        label_file = os.path.join(folder, name.replace("images-idx3", "labels-idx1"))
        images.append(_read_idx(image_file, dimensions=3))
        labels.append(_read_idx(label_file, dimensions=1))
        if len(images[-1]) != len(labels[-1]):
            raise UserError(f"{image_file} has {len(images[-1])} digits but {label_file} has {len(labels[-1])} labels")
    return np.concatenate(images), np.concatenate(labels)


def _read_idx(path: str, dimensions: int) -> np.ndarray:
    try:
        with gzip.open(path, "rb") as file:
            content = file.read()
    except (OSError, EOFError) as error:
        raise UserError(f"cannot read {path} as a gzipped IDX file ({error}): {_MNIST_HOW}") from error
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes([0, 0, 8, dimensions]):
        raise UserError(f"{path} is not an IDX file of unsigned bytes with {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    if len(content) - header != int(np.prod(shape, dtype=np.int64)):
        raise UserError(f"{path} is cut off: its header promises {shape}, the file holds {len(content) - header} bytes")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def read_lines(path: str, flag: str) -> list[tuple[str, list[str]]]:
    """The lines of a text file that a user writes; `#` begins a comment, empty lines do not count.

    Args:
        path: of the file.
        flag: that names it, for the error's message.

    Returns:
        For each line where it stands, in words, and what it says, word by word.

    Raises:
        UserError: no such file, or not a text.
    """
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read --{flag}={path}: {error}") from error
    split = [(f"line {number} of {path}", line.split("#")[0].split()) for number, line in enumerate(lines, start=1)]
    return [(where, words) for where, words in split if words]


def load_npz(path: str, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Named arrays of an `.npz`; pickled objects in it are refused.

    Raises:
        UserError: no such file, not an `.npz`, a required array is missing, or an array needs unpickling.
    """
    if not os.path.isfile(path):
        raise UserError(f"{path} does not exist: an .npz file with {', '.join(required)} is needed")
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise UserError(f"{path} is not an .npz archive (np.savez writes one)")
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


def as_uint8_images(array: np.ndarray, what: str) -> np.ndarray:
    """Checks a user's images and brings them to uint8 `[N, H, W, C]`.

    Args:
        array: uint8 in [0, 255] or float in [0, 1]; N x H x W, or N x H x W x C with C 1 or 3.
        what: how error messages name them.

    Raises:
        UserError: another type, shape or range.
    """
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or 0 in array.shape:
        raise UserError(f"{what} have the shape {array.shape}: N x H x W or N x H x W x C with C 1 or 3 is needed")
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"{what} are {array.dtype}: uint8 in [0, 255] or floats in [0, 1] are needed")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0.0 and high <= 1.0):  # Also true of NaN.
        raise UserError(f"{what} lie in [{low:g}, {high:g}]: floats must lie in [0, 1], without NaN")
    return np.round(array * 255.0).astype(np.uint8)


def as_counts(array: np.ndarray, length: int, what: str) -> np.ndarray:
    """Checks non-negative whole numbers, one for each of `length` examples; returns int32.

    Raises:
        UserError: another type, shape or range.
    """
    if not np.issubdtype(array.dtype, np.integer) or array.shape != (length,) or (length and array.min() < 0):
        raise UserError(f"{what} are {array.dtype} {array.shape}: {length} whole numbers from 0 on are needed")
    return array.astype(np.int32)
