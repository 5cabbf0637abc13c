import gzip
import struct

import numpy as np
import pytest

from tf_scenes.data import sprites
from tf_scenes.errors import UserError


def _write_idx(folder, count=20, cut=0):
    pixels = np.random.RandomState(0).randint(0, 256, count * 28 * 28).astype(np.uint8).tobytes()
    images = struct.pack(">4B3I", 0, 0, 8, 3, count, 28, 28) + pixels
    labels = struct.pack(">4BI", 0, 0, 8, 1, count) + bytes(i % 10 for i in range(count))
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images[: len(images) - cut]))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))


def test_mnist_from_idx_and_from_npz(tmp_path):
    _write_idx(tmp_path)
    from_idx = sprites.mnist(str(tmp_path), pool=20)
    images = np.frombuffer(gzip.decompress((tmp_path / "train-images-idx3-ubyte.gz").read_bytes())[16:], np.uint8)
    images, labels = images.reshape(20, 28, 28), np.arange(20) % 10
    archive = str(tmp_path / "mnist.npz")
    np.savez(archive, x_train=images[:15], y_train=labels[:15], x_test=images[15:], y_test=labels[15:])
    from_npz = sprites.mnist(archive, pool=20)
    np.testing.assert_array_equal(from_idx.sprites, from_npz.sprites)
    np.testing.assert_array_equal(from_idx.labels, labels)


def test_damaged_or_missing_mnist_is_one_clear_line(tmp_path):
    with pytest.raises(UserError, match=r"does not exist.*--mnist_path.*download"):
        sprites.mnist(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"holds no .*idx3-ubyte.gz"):
        sprites.mnist(str(tmp_path))
    _write_idx(tmp_path, cut=5)
    with pytest.raises(UserError, match=r"is damaged: its header says \(.*\), but only \d+ bytes follow"):
        sprites.mnist(str(tmp_path), pool=5)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"not gzip")
    with pytest.raises(UserError, match="cannot read"):
        sprites.mnist(str(tmp_path), pool=5)


def _archive(folder, **changes):
    """An mnist.npz of 40 digits, in which arrays are replaced."""
    images, labels = np.random.RandomState(0).randint(0, 256, (40, 28, 28)).astype(np.uint8), np.arange(40) % 10
    arrays = {"x_train": images[:30], "y_train": labels[:30], "x_test": images[30:], "y_test": labels[30:]}
    np.savez(folder / "mnist.npz", **{**arrays, **changes})
    return str(folder / "mnist.npz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": np.zeros((30, 20, 20), np.uint8)}, "uint8, N x 28 x 28"),
        ({"x_test": np.zeros((10, 28, 28))}, "uint8, N x 28 x 28, and not float64"),
        ({"x_test": np.uint8(3)}, "uint8, N x 28 x 28"),
        ({"y_test": np.array(list("0123456789"))}, "labels in .* have type <U1"),
        ({"y_test": np.arange(9)}, r"shape \(9,\): 10 whole numbers from 0 to 9"),
        ({"y_test": np.full(10, 2**40)}, r"lie in \[1099511627776, 1099511627776\]: 10 whole numbers from 0 to 9"),
        ({"y_train": np.full(30, 255, np.uint8)}, r"lie in \[255, 255\]"),
        ({"y_test": np.full(10, np.nan)}, "have type float64"),
        ({"x_train": np.zeros((0, 28, 28), np.uint8), "y_train": np.zeros(0, int)}, None),
    ],
)
def test_digits_that_are_none_are_one_clear_line(tmp_path, changes, message):
    path = _archive(tmp_path, **changes)
    if message is None:
        assert len(sprites.mnist(path, pool=10).sprites) == 10
        return
    with pytest.raises(UserError, match=message) as error:
        sprites.mnist(path, pool=5)
    assert "mnist.npz" in str(error.value) and "\n" not in str(error.value)


def test_flipped_bytes_of_a_compressed_file_are_one_clear_line(tmp_path):
    _write_idx(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    for place in range(20, len(content), 100):
        content[place] ^= 255
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot read .*train-images"):
        sprites.mnist(str(tmp_path), pool=5)


def test_too_few_digits_to_hold_some_out(tmp_path):
    _write_idx(tmp_path, count=1)
    with pytest.raises(UserError, match="too few digits, 1: about one in"):
        sprites.grey_mnist(str(tmp_path), 20)


def test_without_network_mnist_says_both_ways(monkeypatch, tmp_path):
    from tf_scenes.stack import keras

    def fail():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    with pytest.raises(UserError, match=r"--mnist_path.*let Keras download"):
        sprites.mnist(None)
