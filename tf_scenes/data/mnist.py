"""MNIST digits, read from any of the formats in which they are distributed."""

import gzip
import math
import os
import struct
import zlib
from typing import NamedTuple, Optional

import numpy as np

from tf_scenes.array_files import read_arrays
from tf_scenes.data import user_arrays
from tf_scenes.errors import UserError
from tf_scenes.files import open_file

_HOW_TO_PROVIDE = (
    "set --mnist_path to a folder with MNIST's IDX .gz files (train-... or t10k-images-idx3-ubyte.gz and "
    "...-labels-idx1-ubyte.gz) or to Keras's mnist.npz, or let Keras download it on a machine with internet access"
)


_LARGEST_LABEL = 9
# Bytes that are read of one file; MNIST's largest has 47 million.
_LARGEST_IDX = 2**31


class Digits(NamedTuple):
    """Handwritten digits.

    Attributes:
        images: Images, uint8 `[digits, height, width]`; MNIST's have 28 x 28 pixels.
        labels: Labels, int32 `[digits]`.
        origin: How many they are, and of which files.
    """

    images: np.ndarray
    labels: np.ndarray
    origin: str


def load_mnist(path: Optional[str]) -> Digits:
    """All MNIST digits in the given files, training digits first.

    Args:
        path: Path of the digits, see `tf_scenes.data.sprites.mnist`; None takes Keras's copy.

    Raises:
        UserError: If no digits can be read; the message says how to provide them.
    """
    if path is None:
        return _mnist_from_keras()
    if not os.path.exists(path):
        raise UserError(f"--mnist_path={path} does not exist: {_HOW_TO_PROVIDE}")
    if path.endswith(".npz"):
        names = ("x_train", "y_train", "x_test", "y_test")
        arrays = read_arrays(path, required=names)
        images, labels = [arrays["x_train"], arrays["x_test"]], [arrays["y_train"], arrays["y_test"]]
        files = os.path.basename(path)
    else:
        images, labels, files = _mnist_from_idx(path)
    for part in images:
        if part.ndim != 3 or part.dtype != np.uint8 or part.shape[1:] != images[0].shape[1:] or 0 in part.shape[1:]:
            raise UserError(
                f"{path} does not hold MNIST digits: images must be uint8, N x 28 x 28, and not {part.dtype} of shape "
                f"{part.shape}"
            )
    labels = [
        user_arrays.as_counts(each, len(part), f"labels in {path}", _LARGEST_LABEL)
        for each, part in zip(labels, images)
    ]
    if not sum(map(len, images)):
        raise UserError(f"{path} holds no digit")
    return _digits(np.concatenate(images), np.concatenate(labels), files)


def _digits(images: np.ndarray, labels: np.ndarray, files: str) -> Digits:
    return Digits(images, labels.astype(np.int32), f"{len(images):,} MNIST digits of {files}")


def _mnist_from_keras() -> Digits:
    from tf_scenes.stack import keras

    try:
        (train_images, train_labels), (test_images, test_labels) = keras.datasets.mnist.load_data()
    except Exception as error:  # Keras raises a plain Exception if the download fails.
        raise UserError(f"Keras could not download MNIST: {_HOW_TO_PROVIDE}") from error
    images = np.concatenate([train_images, test_images])
    return _digits(images, np.concatenate([train_labels, test_labels]), "Keras's mnist.npz")


def _mnist_from_idx(path: str) -> tuple[list[np.ndarray], list[np.ndarray], str]:
    if os.path.isdir(path):
        candidates = [os.path.join(path, f"{part}-images-idx3-ubyte.gz") for part in ("train", "t10k")]
        image_files = [name for name in candidates if os.path.exists(name)]
    else:
        image_files = [path]
    if not image_files:
        raise UserError(f"--mnist_path={path} holds no ...-images-idx3-ubyte.gz: {_HOW_TO_PROVIDE}")
    images, labels = [], []
    for image_file in image_files:
        folder, name = os.path.split(image_file)
        label_file = os.path.join(folder, name.replace("images-idx3", "labels-idx1"))
        images.append(_read_idx(image_file, dimensions=3))
        labels.append(_read_idx(label_file, dimensions=1))
        if len(images[-1]) != len(labels[-1]):
            raise UserError(f"{image_file} has {len(images[-1])} digits but {label_file} has {len(labels[-1])} labels")
    files = " and ".join(os.path.basename(image_file) for image_file in image_files)
    return images, labels, files


def _read_idx(path: str, dimensions: int) -> np.ndarray:
    try:
        with open_file(path) as packed, gzip.GzipFile(fileobj=packed) as file:
            header = file.read(4 + 4 * dimensions)
            if len(header) < 4 + 4 * dimensions or header[:4] != bytes([0, 0, 8, dimensions]):
                raise UserError(f"{path} is not an IDX file of unsigned bytes with {dimensions} dimensions")
            shape = struct.unpack(f">{dimensions}I", header[4:])
            size = math.prod(shape)
            content = file.read(min(size, _LARGEST_IDX) + 1)  # A small file can expand to more than there is memory.
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {path} as a gzipped IDX file ({error}): {_HOW_TO_PROVIDE}") from error
    if len(content) != size:
        follow = f"only {len(content)}" if len(content) < size else "more"
        raise UserError(f"{path} is damaged: its header says {shape}, but {follow} bytes follow")
    return np.frombuffer(content, np.uint8).reshape(shape)
