"""Named data sets as tf.data pipelines.

A data set gives examples by split and index; pipelines are built on indices, so they shard over workers and start at
any position. What an example holds beside its image is ground truth, for evaluation only.
"""

import abc
import dataclasses
import zlib
from collections.abc import Mapping, Sequence
from typing import Optional

import numpy as np
import tensorflow as tf

from tf_scenes.data import files, sprites
from tf_scenes.data.scenes import SceneGenerator, Split
from tf_scenes.errors import UserError

_IMAGES_HELD_OUT_ONE_IN = 10


class Dataset(abc.ABC):
    """Examples by split and index.

    Attributes:
        splits: name to split; every data set has `train` and `test`.
        image_shape: height, width, channels.
        label_names: the name of each label; empty where there are no labels.
        ground_truth: names of what `examples` gives beside images: `counts`, `centers`, `labels`.
    """

    splits: Mapping[str, Split]
    image_shape: tuple[int, int, int]
    ground_truth: tuple[str, ...]
    label_names: tuple[str, ...] = ()

    @property
    def held_out(self) -> list[str]:
        """Names of the splits for evaluation."""
        return [name for name, split in self.splits.items() if split.held_out]

    @abc.abstractmethod
    def examples(self, split: Split, indices: Sequence[int]) -> dict[str, np.ndarray]:
        """The examples at some indices.

        Returns:
            `images` uint8 `[examples, height, width, channels]`, and for held-out splits what `ground_truth` names:
            `counts` int32 `[examples]`; `centers` float32 `[examples, objects, 2]`, pixels, y then x; `labels`
            int32 `[examples, objects]`, -1 where there is no object.
        """

    def training_batches(
        self, batch_size: int, seed: int, first_step: int = 0, shard: tuple[int, int] = (0, 1)
    ) -> tf.data.Dataset:
        """Endless batches of training images, shuffled anew in each pass over the split.

        Batch number s holds the same images whatever step the pipeline starts from.

        Args:
            batch_size: examples a batch.
            seed: of the order.
            first_step: how many batches have been used before.
            shard: (index, number) of the worker's share: each position belongs to exactly one worker, and `batch_size`
                is then the worker's part of the global batch.

        Returns:
            Data set of dictionaries with `images`, float32 `[batch, height, width, channels]` in [0, 1].
        """
        split = self.splits["train"]
        shard_index, num_shards = shard

        @tf.autograph.experimental.do_not_convert
        def index_at(position: tf.Tensor) -> tf.Tensor:
            shuffle_seed = tf.stack([tf.cast(seed, tf.int64), position // split.size])
            return tf.random.experimental.index_shuffle(position % split.size, shuffle_seed, split.size - 1)

        positions = tf.data.Dataset.range(first_step * batch_size * num_shards, np.iinfo(np.int64).max)
        indices = positions.shard(num_shards, shard_index).map(index_at)
        return self._load(split, indices.batch(batch_size, drop_remainder=True), ground_truth=False)

    def evaluation_batches(self, split_name: str, batch_size: int, limit: Optional[int] = None) -> tf.data.Dataset:
        """A held-out split in order, once.

        Args:
            split_name: of the split.
            batch_size: examples a batch; the last batch may be smaller.
            limit: how many examples at most.

        Returns:
            Data set of dictionaries with `images` as in training, and the ground truth.
        """
        split = self.splits[split_name]
        size = split.size if limit is None else min(limit, split.size)
        return self._load(split, tf.data.Dataset.range(size).batch(batch_size), ground_truth=True)

    def _load(self, split: Split, index_batches: tf.data.Dataset, ground_truth: bool) -> tf.data.Dataset:
        names = ("images", *(self.ground_truth if ground_truth else ()))
        types = {"images": tf.uint8, "counts": tf.int32, "centers": tf.float32, "labels": tf.int32}
        slots = split.max_objects
        shapes = {"images": self.image_shape, "counts": (), "centers": (slots, 2), "labels": (slots,)}

        def load(indices: np.ndarray) -> list[np.ndarray]:
            examples = self.examples(split, indices)
            return [examples[name] for name in names]

        @tf.autograph.experimental.do_not_convert  # Converting it would take longer than running it.
        def element(indices: tf.Tensor) -> dict[str, tf.Tensor]:
            values = tf.numpy_function(load, [indices], [types[name] for name in names], stateful=False)
            batch = {
                name: tf.ensure_shape(value, (indices.shape[0], *shapes[name])) for name, value in zip(names, values)
            }
            batch["images"] = tf.cast(batch["images"], tf.float32) / 255.0
            return batch

        return index_batches.map(element).prefetch(tf.data.AUTOTUNE)


class SceneDataset(Dataset):
    """Scenes made from a bank of sprites."""

    ground_truth = ("counts", "centers", "labels")

    def __init__(self, bank: sprites.SpriteBank, splits: Sequence[Split], image_size: int, seed: int):
        """Creates the data set.

        Args:
            bank: the sprites.
            splits: of the data set.
            image_size: side of the canvas, pixels.
            seed: of the scenes.

        Raises:
            UserError: the objects do not fit on the canvas.
        """
        self.generator = SceneGenerator(bank, image_size, image_size, seed)
        for split in splits:  # Drawn once here, where an error is a clear line, with as many objects as there can be.
            self.generator.scene(dataclasses.replace(split, min_objects=split.max_objects), index=0)
        self.splits = {split.name: split for split in splits}
        self.image_shape = (image_size, image_size, bank.channels)
        self.label_names = tuple(bank.label_names)

    def examples(self, split: Split, indices: Sequence[int]) -> dict[str, np.ndarray]:
        """See `Dataset.examples`."""
        scenes = [self.generator.scene(split, int(index)) for index in indices]
        return {
            "images": np.stack([scene.image for scene in scenes]),
            "counts": np.array([scene.count for scene in scenes], np.int32),
            "centers": np.stack([scene.centers for scene in scenes]),
            "labels": np.stack([scene.labels for scene in scenes]),
        }


class ImageDataset(Dataset):
    """A user's own images.

    One in ten is held out as `test`, chosen by a checksum of its pixels, so that equal images are on the same side.
    """

    def __init__(self, path: str):
        """Reads the file.

        Args:
            path: an `.npz` with `images` (uint8 in [0, 255] or float in [0, 1]; N x H x W or N x H x W x C with C 1 or
                3) and optionally `counts` (whole numbers, N). No pickles are loaded from it.

        Raises:
            UserError: the file is not such a file, or holds too few different images to hold some out.
        """
        arrays = files.load_npz(path, required=("images",), optional=("counts",))
        self._images = files.as_uint8_images(arrays["images"], f"images in {path}")
        self._counts = None
        if "counts" in arrays:
            self._counts = files.as_counts(arrays["counts"], len(self._images), f"counts in {path}")
        held_out = np.array([zlib.crc32(image.tobytes()) % _IMAGES_HELD_OUT_ONE_IN == 0 for image in self._images])
        self._indices = {"train": np.flatnonzero(~held_out), "test": np.flatnonzero(held_out)}
        if not all(len(indices) for indices in self._indices.values()):
            raise UserError(
                f"{path} holds {len(held_out)} images, of which {held_out.sum()} fall into the held-out tenth: "
                "it needs more different images, a hundred at least"
            )
        most = 0 if self._counts is None else int(self._counts.max())
        self.splits = {
            name: Split(name, size=len(indices), min_objects=0, max_objects=most, held_out=name == "test")
            for name, indices in self._indices.items()
        }
        self.image_shape = self._images.shape[1:]
        self.ground_truth = () if self._counts is None else ("counts",)

    def examples(self, split: Split, indices: Sequence[int]) -> dict[str, np.ndarray]:
        """See `Dataset.examples`."""
        chosen = self._indices[split.name][np.asarray(indices)]
        examples = {"images": self._images[chosen]}
        if self._counts is not None:
            examples["counts"] = self._counts[chosen]
        return examples


def load_dataset(
    name: str,
    seed: int,
    image_size: int,
    sprite_size: int,
    sizes: tuple[int, int],
    objects: tuple[int, int, int],
    mnist_path: Optional[str] = None,
    sprites_path: Optional[str] = None,
    images_path: Optional[str] = None,
) -> Dataset:
    """A data set by name.

    Args:
        name: one of `config.DATASETS`.
        seed: of the scenes.
        image_size: side of the canvas, pixels; `images` has its own.
        sprite_size: side of the largest object, pixels; `multi_custom` has its own.
        sizes: examples in `train` and in `test` (of `test_<many>` as many).
        objects: fewest and most in `train` and `test`, and how many in each scene of `test_<many>`.
        mnist_path: where MNIST's files are; None for Keras's copy.
        sprites_path: the sprites of `multi_custom`.
        images_path: the images of `images`.

    Raises:
        UserError: the data cannot be had or do not fit.
    """
    if name == "images":
        return ImageDataset(images_path)
    banks = {
        "multi_dsprites": lambda: sprites.shapes(sprite_size),
        "multi_mnist_1k": lambda: sprites.mnist(mnist_path, sprite_size, pool=1_000),
        "multi_mnist_10k": lambda: sprites.mnist(mnist_path, sprite_size, pool=10_000),
        "multi_digits": lambda: sprites.handwritten_digits(sprite_size),
        "multi_sprites": lambda: sprites.grey_shapes(sprite_size),
        "multi_mnist_air": lambda: sprites.grey_mnist(mnist_path, sprite_size),
        "multi_digits_air": lambda: sprites.grey_handwritten_digits(sprite_size),
        "multi_custom": lambda: sprites.from_file(sprites_path),
    }
    train_size, test_size = sizes
    fewest, most, many = objects
    splits = (
        Split("train", train_size, fewest, most, held_out=False),
        Split("test", test_size, fewest, most, held_out=True),
        Split(f"test_{many}", test_size, many, many, held_out=True),
    )
    return SceneDataset(banks[name](), splits, image_size, seed)
