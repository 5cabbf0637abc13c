"""The TFRecords of DeepMind's multi_object_datasets: scenes with a mask of each object, streamed from disk.

What is in a record is described at https://github.com/google-deepmind/multi_object_datasets. Its own reader is for
TensorFlow 1.
"""

import contextlib
import dataclasses
import glob
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Optional

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from scipy import ndimage
from tqdm import tqdm
from typing_extensions import override

from tf_scenes.data.datasets import Dataset, KnownScene
from tf_scenes.data.options import DataOptions
from tf_scenes.data.scenes import Split
from tf_scenes.errors import UserError, without_node_names
from tf_scenes.files import open_file

_EXTENSION = ".tfrecords"
_GZIP = b"\x1f\x8b"
_BUFFER = 2**24  # Bytes read at once.
_SHUFFLED = 1_000  # Records that are shuffled at once: one of 64 x 64 pixels has about 100 KB.
_MOST_SHAPES = 32


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the records of a data set are laid out. Every byte of an image and of a mask is a string of its own.

    Attributes:
        name: The data set, as messages name it.
        image: Height, width and channels of its images.
        entities: Number of masks in a record, 255 where an entity shows and 0 elsewhere.
        background: How many of these are background, the first ones.
        masks_last: Whether masks are `[height, width, entities]` instead of `[entities, height, width]`.
        shapes: Whether there is a shape of each entity, a number.
        factors: Further factors of each entity that are read, by the name that `KnownScene` has for them: their name in
            a record, and how many numbers they are.
        shape_names: Names of the shapes that have one, by number.
        black_background: Whether every pixel that shows no object is 0.
    """

    name: str
    image: tuple[int, int, int]
    entities: int
    background: int = 1
    masks_last: bool = False
    shapes: bool = False
    factors: Mapping[str, tuple[str, int]] = dataclasses.field(default_factory=dict, hash=False)
    shape_names: Mapping[int, str] = dataclasses.field(default_factory=dict, hash=False)
    black_background: bool = False

    @property
    def objects(self) -> int:
        """The most objects that a scene has."""
        return self.entities - self.background

    @property
    def lengths(self) -> dict[str, int]:
        """How many strings an image has, and all masks together."""
        height, width, channels = self.image
        return {"image": height * width * channels, "mask": height * width * self.entities}


_ROOM = (64, 64, 3)
_COLOR = {"color": ("color", 3)}
_POSE = {"scale": ("scale", 1), "angle": ("orientation", 1)}
_DSPRITES = {"masks_last": True, "shapes": True, "shape_names": {1: "square", 2: "ellipse", 3: "heart"}}
LAYOUTS = (
    Layout("Multi-dSprites, binarized", (64, 64, 1), 4, factors=_POSE, black_background=True, **_DSPRITES),
    Layout("Multi-dSprites, coloured on grey", (64, 64, 3), 6, factors={**_COLOR, **_POSE}, **_DSPRITES),
    Layout("Multi-dSprites, coloured on coloured", (64, 64, 3), 5, factors={**_COLOR, **_POSE}, **_DSPRITES),
    Layout("Tetrominoes", (35, 35, 3), 4, shapes=True, factors=_COLOR, black_background=True),
    Layout("Objects Room", _ROOM, 7, background=4),
    Layout("Objects Room, six objects or identical colours", _ROOM, 10, background=4),
    Layout("Objects Room, empty", _ROOM, 4, background=4),
    Layout("CLEVR with masks", (240, 320, 3), 11),
)


class RecordDataset(Dataset):
    """Scenes in records: the first ones are `test`, the next ones `validation`, and all others are for training.

    Held-out scenes are kept in memory. Training scenes are read anew in each pass, and shuffled in blocks of 1,000.
    """

    def __init__(self, paths: Sequence[str], test_size: int, validation_size: int, train_size: int):
        """Reads the held-out scenes, and counts the others.

        Args:
            paths: The files, of one layout, as if they were one after the other.
            test_size: Number of scenes in `test`.
            validation_size: Number of scenes in `validation`.
            train_size: Largest number of scenes for training.

        Raises:
            UserError: If a file cannot be read, holds records of another kind, or has too few.
        """
        self._paths = list(paths)
        self.layout, self._compression = _require_one_layout(self._paths)
        self.image_shape = self.layout.image
        self.black_background = self.layout.black_background
        self.ground_truth = ("counts", "centers", "masks", *(["labels"] if self.layout.shapes else []))
        names, numbers = self.layout.shape_names, range(_MOST_SHAPES) if self.layout.shapes else ()
        self.label_names = tuple(names.get(number, f"shape {number}") for number in numbers)
        self._first = test_size + validation_size
        held_out = self._held_out_scenes()
        train = self._count(train_size) if len(held_out["images"]) == self._first else 0
        if not train:
            raise UserError(
                f"{self._paths[0]}{' and the others' if len(paths) > 1 else ''}: the {len(held_out['images']):,} "
                f"scenes leave none to train on beside --test_size={test_size:,} and "
                f"--validation_size={validation_size:,}: choose fewer"
            )
        self._held_out = {
            "test": {name: values[:test_size] for name, values in held_out.items()},
            "validation": {name: values[test_size:] for name, values in held_out.items()},
        }
        sizes = {"train": train, "validation": validation_size, "test": test_size}
        most = self.layout.objects
        self.splits = {name: Split(name, size, 0, most, held_out=name != "train") for name, size in sizes.items()}
        self.notes = (
            f"{self.layout.name}: {train:,} scenes for training, {validation_size:,} and {test_size:,} held out.",
        )

    @property
    @override
    def training_checksum(self) -> int:
        # Of sizes and places: to read them all would take as long as a pass.
        sizes = [os.path.getsize(path) for path in self._paths]
        return zlib.crc32(repr((sizes, self._first, self.splits["train"].size)).encode())

    @property
    @override
    def held_out_checksum(self) -> int:
        return zlib.crc32(self._held_out["validation"]["images"], zlib.crc32(self._held_out["test"]["images"]))

    @override
    def examples(self, split: Split, indices: Sequence[int]) -> dict[str, np.ndarray]:
        chosen, known = np.asarray(indices), self._held_out[split.name]
        examples = {name: known[name][chosen] for name in ("images", *self.ground_truth)}
        return {**examples, "masks": examples["masks"].astype(np.int32)}

    @property
    @override
    def factor_splits(self) -> Optional[tuple[str, str]]:
        return ("validation", "test") if self.layout.shapes else None

    @override
    def known_scenes(self, split_name: str) -> Iterator[KnownScene]:
        known = self._held_out[split_name]
        for place, count in enumerate(known["counts"]):
            attributes = {name: known[name][place, :count] for name in self.layout.factors}
            centers, labels = (known[name][place, :count] for name in ("centers", "labels"))
            yield KnownScene(known["images"][place], centers, labels, attributes)

    @override
    def training_batches(
        self, batch_size: int, seed: int, first_step: int = 0, shard: tuple[int, int] = (0, 1)
    ) -> tf.data.Dataset:
        """Endless batches of training images as in other data sets, in the order in which they are read; see the class.

        To start at a later step, the records of one pass at most are read over.
        """
        size, (shard_index, num_shards) = self.splits["train"].size, shard
        first = first_step * batch_size * num_shards

        @tf.autograph.experimental.do_not_convert
        def shuffled(number: tf.Tensor, records: tf.Tensor) -> tf.Tensor:
            order = tf.random.stateless_uniform(tf.shape(records), [seed, number], dtype=tf.float64)
            return tf.gather(records, tf.argsort(order))

        @tf.autograph.experimental.do_not_convert
        def one_pass(number: tf.Tensor) -> tf.data.Dataset:
            blocks = self._records().skip(self._first).take(size).batch(_SHUFFLED)
            return blocks.enumerate(number * size).map(shuffled).unbatch()  # No two blocks have the same number.

        @tf.autograph.experimental.do_not_convert
        def as_floats(images: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"images": tf.cast(images, tf.float32) / 255.0}

        passes = tf.data.Dataset.range(first // size, np.iinfo(np.int64).max).flat_map(one_pass)
        images = passes.skip(first % size).shard(num_shards, shard_index).map(self._image, tf.data.AUTOTUNE)
        return images.batch(batch_size, drop_remainder=True).map(as_floats).prefetch(tf.data.AUTOTUNE)

    def _records(self) -> tf.data.TFRecordDataset:
        return tf.data.TFRecordDataset(self._paths, self._compression, _BUFFER)

    def _count(self, most: int) -> int:
        """The number of records after those that are held out, up to a number; reading them finds damaged ones."""
        records = self._records().skip(self._first).take(most)
        chunks = records.batch(500).map(tf.size)
        with _damage_as_user_error(self._paths):
            return sum(int(size) for size in tqdm(chunks, "Counting records", unit_scale=500, delay=2.0, leave=False))

    @tf.autograph.experimental.do_not_convert
    def _image(self, record: tf.Tensor) -> tf.Tensor:
        """The image of a record, uint8 `[height, width, channels]`."""
        parsed = tf.io.parse_single_example(record, {"image": _strings(self.layout.lengths["image"])})
        return tf.reshape(tf.io.decode_raw(parsed["image"], tf.uint8), self.layout.image)

    @tf.autograph.experimental.do_not_convert
    def _scene(self, record: tf.Tensor) -> dict[str, tf.Tensor]:
        """The image of a record, whose each pixel is, uint8 `[height, width]`, and each entity's shape and factors."""
        layout = self.layout
        features = {"mask": _strings(layout.lengths["mask"])}
        if layout.shapes:
            features["shape"] = tf.io.FixedLenFeature([layout.entities], tf.float32)
        for name, numbers in layout.factors.values():
            features[name] = tf.io.FixedLenFeature([layout.entities, *([numbers] if numbers > 1 else [])], tf.float32)
        parsed = tf.io.parse_single_example(record, features)
        masks = tf.io.decode_raw(parsed["mask"], tf.uint8)
        height, width, _ = layout.image
        if layout.masks_last:
            masks = tf.reshape(masks, [height, width, layout.entities])
        else:
            masks = tf.transpose(tf.reshape(masks, [layout.entities, height, width]), [1, 2, 0])
        owners = tf.argmax(masks, axis=-1, output_type=tf.int32) - (layout.background - 1)  # [height, width]
        shapes = {"shapes": parsed["shape"]} if layout.shapes else {}
        factors = {factor: parsed[name] for factor, (name, _) in layout.factors.items()}
        return {"images": self._image(record), "owners": tf.cast(tf.maximum(owners, 0), tf.uint8), **shapes, **factors}

    def _held_out_scenes(self) -> dict[str, np.ndarray]:
        """All that is known about the held-out scenes, by key; fewer than there should be if the files end before."""
        scenes = self._records().take(self._first).map(self._scene, tf.data.AUTOTUNE).batch(100)
        with _damage_as_user_error(self._paths):
            read = [
                *tqdm(scenes.as_numpy_iterator(), "Reading held-out scenes", unit_scale=100, delay=2.0, leave=False)
            ]
        if not read:
            return {"images": np.zeros((0, *self.layout.image), np.uint8)}
        whole = {name: np.concatenate([batch[name] for batch in read]) for name in read[0]}
        images, owners = whole.pop("images"), whole.pop("owners")
        of_objects = {name: values[:, self.layout.background :] for name, values in whole.items()}
        shapes = of_objects.pop("shapes", np.zeros((len(images), self.layout.objects)))
        truth = [
            _ground_truth(owners[place], shapes[place], {name: values[place] for name, values in of_objects.items()})
            for place in range(len(images))
        ]
        return {"images": images, **{name: np.stack([each[name] for each in truth]) for name in truth[0]}}


def _ground_truth(owners: np.ndarray, shapes: np.ndarray, factors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What is known of a scene's objects, those first that are seen; of an object that others hide, nothing.

    Args:
        owners: The object that each pixel shows, 0 for none, `[height, width]`.
        shapes: Shape of each object, `[objects]`.
        factors: Further factors by name, `[objects]` or `[objects, k]`.
    """
    boxes = ndimage.find_objects(owners, max_label=len(shapes))
    seen = [number for number, box in enumerate(boxes) if box is not None]
    centers, labels = np.zeros((len(shapes), 2), np.float32), np.full(len(shapes), -1, np.int32)
    renumbered = np.zeros(len(shapes) + 1, np.uint8)
    for place, number in enumerate(seen):
        centers[place] = [(side.start + side.stop - 1) / 2.0 for side in boxes[number]]
        labels[place] = np.clip(round(float(shapes[number])), 0, _MOST_SHAPES - 1)
        renumbered[number + 1] = place + 1
    count = np.int32(len(seen))
    order = [*seen, *(number for number in range(len(shapes)) if number not in seen)]
    ordered = {name: values[order] for name, values in factors.items()}
    return {"masks": renumbered[owners], "counts": count, "centers": centers, "labels": labels, **ordered}


def _strings(length: int) -> tf.io.FixedLenFeature:
    return tf.io.FixedLenFeature([length], tf.string)


@contextlib.contextmanager
def _damage_as_user_error(paths: Sequence[str]) -> Iterator[None]:
    """Turns what TensorFlow raises where records are damaged or of other kinds into a `UserError`."""
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError) as error:
        reason = without_node_names(error.message.splitlines()[0])
        raise UserError(f"{', '.join(paths)[:200]}: a record is damaged, or of another kind: {reason[:200]}") from error


def _require_one_layout(paths: Sequence[str]) -> tuple[Layout, str]:
    """The layout and the compression that all files have.

    Raises:
        UserError: If a file has none that is known, or another one than the first.
    """
    first, *others = map(_kind_of, paths)
    for path, other in zip(paths[1:], others):
        if other != first:
            raise UserError(f"{path} has other records than {paths[0]}: files of one data set are needed")
    return first


def _kind_of(path: str) -> tuple[Layout, str]:
    """The layout of a file's records, and their compression."""
    with open_file(path) as file:
        compression = "GZIP" if file.read(len(_GZIP)) == _GZIP else ""
    return _layout_of(path, compression), compression


def _layout_of(path: str, compression: str) -> Layout:
    """The layout of a file's first record."""
    try:
        records = [*tf.data.TFRecordDataset(path, compression).take(1).as_numpy_iterator()]
        features = tf.train.Example.FromString(records[0]).features.feature
    except (tf.errors.OpError, DecodeError, IndexError) as error:
        raise UserError(
            f"{path} cannot be read as TFRecords of scenes: it is damaged, or another kind of file"
        ) from error
    lengths = {name: len(features[name].bytes_list.value) for name in ("image", "mask")}
    for layout in LAYOUTS:
        if layout.lengths == lengths and layout.shapes == bool(features["shape"].float_list.value):
            return layout
    raise UserError(
        f"{path} has an image of {lengths['image']:,} and masks of {lengths['mask']:,} bytes, each a string: that is "
        f"none of {'; '.join(layout.name for layout in LAYOUTS)}; CATER with masks, which are videos, is not read"
    )


def tfrecords(options: DataOptions, seed: int) -> RecordDataset:
    """The scenes of `--tfrecords_path`; the seed has no effect."""
    paths = _find_files(options.tfrecords_path)
    return RecordDataset(paths, options.test_size, options.validation_size, options.train_size)


def _find_files(path: str) -> list[str]:
    """The files that a path stands for, by name.

    Raises:
        UserError: If there are none.
    """
    if os.path.isfile(path):
        return [path]
    pattern = os.path.join(glob.escape(path), f"*{_EXTENSION}*") if os.path.isdir(path) else path
    found = sorted(each for each in glob.glob(pattern) if os.path.isfile(each))
    if not found:
        raise UserError(f"--tfrecords_path={path} is no file, and there are no files named *{_EXTENSION} there")
    return found
