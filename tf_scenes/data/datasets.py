"""Data sets as tf.data pipelines.

A data set returns examples by split and index. Pipelines are built on indices, so they can be sharded over workers and
can start at any position. Everything in an example other than its image is ground truth, used for evaluation only.
"""

import abc
import dataclasses
import functools
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from tf_scenes.data import registry
from tf_scenes.data.options import DataOptions
from tf_scenes.data.scenes import Split
from tf_scenes.errors import UserError

_TYPES = {
    "counts": tf.int32,
    "centers": tf.float32,
    "labels": tf.int32,
    "masks": tf.int32,
    "levels": tf.float32,
}


@dataclasses.dataclass(frozen=True)
class KnownScene:
    """A scene of which all is known, see `Dataset.known_scenes`.

    Attributes:
        image: uint8 `[height, width, channels]`.
        centers: Middle of each object, y then x in pixels, float32 `[objects, 2]`.
        labels: Label of each object, int32 `[objects]`.
        attributes: Further factors by name, `[objects]` or `[objects, k]`: `color`, red, green and blue; `scale`;
            `angle`, in radians.
    """

    image: np.ndarray
    centers: np.ndarray
    labels: np.ndarray
    attributes: Mapping[str, np.ndarray]


class Dataset(abc.ABC):
    """Examples by split and index.

    Attributes:
        splits: Splits by name; every data set has `train` and `test`.
        image_shape: Height, width and channels of the training images; held-out images may have other sizes.
        image_type: Type of the images that `examples` returns: uint8, or float32 in [0, 1].
        label_names: Name of each label; empty if there are no labels.
        ground_truth: Keys that `examples` returns beside `images` for held-out splits, out of `counts`, `centers`,
            `labels` and `masks`.
        measured: Keys that `examples` returns beside `images` for training: `levels`, or none.
        notes: What a user should know about how the data was read, a line each.
        origin: How many digits or the like images are made of, and where they come from; None if there are none.
        black_background: Whether every pixel that shows no object is 0, as in scenes of sprites but not in photographs.
    """

    splits: Mapping[str, Split]
    image_shape: tuple[int, int, int]
    ground_truth: tuple[str, ...]
    image_type: tf.DType = tf.uint8
    label_names: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    origin: Optional[str] = None
    black_background: bool = False

    @property
    def held_out(self) -> list[str]:
        """Names of the splits that are used for evaluation."""
        return [name for name, split in self.splits.items() if split.held_out]

    @property
    def test_splits(self) -> list[str]:
        """Names of the splits that are looked at once, when training is over."""
        return [name for name in self.held_out if not name.startswith("validation")]

    @property
    def report_splits(self) -> list[str]:
        """Names of the splits that are looked at in the course of training, by which recipes are chosen.

        The validation splits, or the test splits where there are none. The first has as many objects as training
        images.
        """
        return [name for name in self.held_out if name.startswith("validation")] or self.test_splits

    @property
    def factor_splits(self) -> Optional[tuple[str, str]]:
        """Splits that `known_scenes` takes: one to fit probes of factors on, one to measure them; None if none is."""
        return None

    def known_scenes(self, split_name: str) -> Iterator[KnownScene]:
        """Scenes of a split of which all is known, of one object each if scenes can be drawn at will.

        Args:
            split_name: One of `factor_splits`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not know the factors of objects")

    def warnings(self) -> list[str]:
        """What may go wrong in training on this data, a line each."""
        return []

    @property
    def training_checksum(self) -> Optional[int]:
        """Checksum of the training images if they are a user's files; None if the flags determine them."""
        return None

    @property
    def held_out_checksum(self) -> Optional[int]:
        """Checksum of the held-out images if they are a user's files; None if the flags determine them."""
        return None

    def typical_object_side(self) -> Optional[float]:
        """The side in pixels of what stands out in training images, without labels; None if it is not measured."""
        return None

    @abc.abstractmethod
    def examples(self, split: Split, indices: Sequence[int]) -> dict[str, np.ndarray]:
        """The examples at the given indices.

        Returns:
            Dictionary with `images`, of `image_type`, `[examples, height, width, channels]`, and, for held-out splits,
            the keys in `ground_truth`: `counts`, int32 `[examples]`; `centers`, float32 `[examples, objects, 2]`, y
            then x in pixels; `labels`, int32 `[examples, objects]`, -1 where there is no object; `masks`, int32
            `[examples, height, width]`, 0 on the background and 1..n on the objects. For training, the keys in
            `measured`: `levels`, float32 `[examples, 2]`, see `tf_scenes.layers.levels.measure_levels`.
        """

    def training_batches(
        self, batch_size: int, seed: int, first_step: int = 0, shard: tuple[int, int] = (0, 1)
    ) -> tf.data.Dataset:
        """Endless batches of training images, reshuffled in each pass over the split.

        The batch of a given step holds the same images regardless of the step at which the pipeline starts.

        Args:
            batch_size: Number of examples in a batch.
            seed: Seed of the shuffling.
            first_step: Number of batches to skip because they have been used already.
            shard: Index of this worker and number of workers. Each position belongs to exactly one worker, and
                `batch_size` is this worker's part of the global batch.

        Returns:
            Data set of dictionaries with `images`, float32 `[batch, height, width, channels]` in [0, 1], and the keys
            in `measured`.
        """
        split = self.splits["train"]

        @tf.autograph.experimental.do_not_convert
        def index_at(position: tf.Tensor) -> tf.Tensor:
            shuffle_seed = tf.stack([tf.cast(seed, tf.int64), position // split.size])
            return tf.random.experimental.index_shuffle(position % split.size, shuffle_seed, split.size - 1)

        indices = positions_from(first_step, batch_size, shard).map(index_at).batch(batch_size, drop_remainder=True)
        return self._load(split, indices, self.measured, functools.partial(self.examples, split))

    def evaluation_batches(self, split_name: str, batch_size: int, limit: Optional[int] = None) -> tf.data.Dataset:
        """One pass over a held-out split, in order; images of different sizes are grouped by size.

        Args:
            split_name: Name of the split.
            batch_size: Number of examples in a batch; the last batch of a size may be smaller.
            limit: Maximum number of examples, the first ones; None takes the whole split.

        Returns:
            Data set of dictionaries with `images`, as in training, and the ground truth.

        Raises:
            UserError: If there is no such held-out split.
        """
        if split_name not in self.held_out:
            raise UserError(f"'{split_name}' is no held-out split of this data set: {', '.join(self.held_out)}")
        split = self.splits[split_name]
        size = split.size if limit is None else min(limit, split.size)
        indices = self._index_batches(split, size, batch_size)
        return self._load(split, indices, self.ground_truth, functools.partial(self.examples, split))

    def elbo_batches(self, split_name: str, batch_size: int, limit: Optional[int] = None) -> tf.data.Dataset:
        """The batches on which the ELBO of a held-out split is measured, images as in training.

        Those of `evaluation_batches`, unless a data set trains on crops; the arguments are the same.
        """
        return self.evaluation_batches(split_name, batch_size, limit)

    @property
    def trains_on_crops(self) -> bool:
        """Whether training images are crops of larger ones, so that `elbo_batches` are not `evaluation_batches`."""
        return False

    def _index_batches(self, split: Split, size: int, batch_size: int) -> tf.data.Dataset:
        """Batches of the indices of a split's first images, each of images of one size."""
        return tf.data.Dataset.range(size).batch(batch_size)

    def _image_shape(self, split: Split) -> tuple[Optional[int], Optional[int], int]:
        """The shape of a split's images; None for sides that differ between them."""
        return self.image_shape

    def _load(
        self,
        split: Split,
        number_batches: tf.data.Dataset,
        others: Sequence[str],
        examples_of: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    ) -> tf.data.Dataset:
        """Batches of `images` and other keys, of the examples that a function returns for each batch of numbers."""
        names = ("images", *others)
        image_shape, objects = self._image_shape(split), split.max_objects
        types = {**_TYPES, "images": self.image_type}
        shapes = {
            "images": image_shape,
            "counts": (),
            "centers": (objects, 2),
            "labels": (objects,),
            "masks": image_shape[:2],
            "levels": (2,),
        }

        def load(numbers: np.ndarray) -> list[np.ndarray]:
            examples = examples_of(numbers)
            return [examples[name] for name in names]

        @tf.autograph.experimental.do_not_convert  # Conversion would take longer than running it.
        def element(numbers: tf.Tensor) -> dict[str, tf.Tensor]:
            values = tf.numpy_function(load, [numbers], [types[name] for name in names], stateful=False)
            batch = {
                name: tf.ensure_shape(value, (numbers.shape[0], *shapes[name])) for name, value in zip(names, values)
            }
            if self.image_type == tf.uint8:
                batch["images"] = tf.cast(batch["images"], tf.float32) / 255.0
            return batch

        return number_batches.map(element).prefetch(tf.data.AUTOTUNE)


def positions_from(first_step: int, batch_size: int, shard: tuple[int, int]) -> tf.data.Dataset:
    """The positions in the course of training that belong to one worker, from a step on; see `training_batches`."""
    shard_index, num_shards = shard
    first = first_step * batch_size * num_shards
    return tf.data.Dataset.range(first, np.iinfo(np.int64).max).shard(num_shards, shard_index)


def load_dataset(options: DataOptions, seed: int) -> Dataset:
    """Loads the data set that the options describe.

    Args:
        options: Options of the data.
        seed: Seed of the scenes.

    Raises:
        UserError: If the data cannot be loaded, or if the objects do not fit on the canvas.
    """
    options.require_paths()
    module, function = registry.entry(options.dataset).function.split(":")
    return getattr(importlib.import_module(module), function)(options, seed)


def load_bundled_dataset(flags: Mapping[str, Any], paths: Optional[Mapping[str, str]] = None) -> Dataset:
    """Loads a data set like the one that a model was trained on, without a download, to demonstrate the model.

    MNIST digits are replaced by those that come with scikit-learn.

    Args:
        flags: Flags of the training run, by name, as its report holds them.
        paths: Where the data of that run is, by flag, as its report holds it: see `DataOptions.portable_paths`.

    Raises:
        UserError: If the data cannot be loaded, or if it needs a path and `paths` has none.
    """
    names = {name for name, _ in DataOptions.flags()}
    options = {name: value for name, value in {**flags, **(paths or {})}.items() if name in names}
    entry = registry.entry(options["dataset"])
    options["dataset"] = entry.bundled or entry.name
    if entry.required_flag and entry.required_flag not in options:
        raise UserError(
            f"the model's report does not say where its data is (--{entry.required_flag}): evaluated in a folder that "
            "holds the data, it does"
        )
    return load_dataset(DataOptions(**options), flags["seed"])
