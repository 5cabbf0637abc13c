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
    with pytest.raises(UserError, match="cut off"):
        sprites.mnist(str(tmp_path), pool=5)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"not gzip")
    with pytest.raises(UserError, match="cannot read"):
        sprites.mnist(str(tmp_path), pool=5)


def test_without_network_mnist_says_both_ways(monkeypatch, tmp_path):
    from tf_scenes.stack import keras

    def fail():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    with pytest.raises(UserError, match=r"--mnist_path.*let Keras download"):
        sprites.mnist(None)
