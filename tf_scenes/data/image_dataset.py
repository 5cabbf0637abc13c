"""A data set of a user's own images."""

import functools
import itertools
import zlib
from collections.abc import Iterator, Sequence
from typing import Optional

import numpy as np
import tensorflow as tf
from skimage.measure import label, regionprops
from tqdm import tqdm
from typing_extensions import override

from tf_scenes.data.crops import Crops
from tf_scenes.data.datasets import Dataset, positions_from
from tf_scenes.data.image_files import as_unit_range
from tf_scenes.data.image_splits import ImageSplit, ImageSplits, read_files, read_npz
from tf_scenes.data.options import DataOptions
from tf_scenes.data.scenes import Split
from tf_scenes.errors import UserError
from tf_scenes.layers.levels import measure_levels

# For the size of objects: the number of images, and the pixels of a part that may be an object.
_MOST_IMAGES = 64
_SMALLEST_PART = 20
# Held-out crops, for each image and by a seed of their own.
_HELD_OUT_CROPS = 8
_HELD_OUT_SEED = 30_300
# Of images whose levels are measured together, so that memory stays small.
_MOST_PIXELS = 2**22


class ImageDataset(Dataset):
    """A user's own images: training on whole images or on random crops of them, evaluation on whole images."""

    measured = ("levels",)

    def __init__(self, loaded: ImageSplits, crop_size: int = 0, flip_crops: bool = True):
        """Creates the data set.

        Args:
            loaded: Images by split.
            crop_size: Side of training crops in pixels, 0 for whole images. Smaller images are left out of training.
            flip_crops: Whether crops are also mirrored and turned by multiples of 90 degrees.

        Raises:
            UserError: If training images are smaller than crops, or of different sizes and there are no crops.
        """
        self._splits = dict(loaded.splits)
        self._crop_size, self._flip_crops = crop_size, flip_crops
        self._reading_warnings = loaded.warnings
        self._splits["train"], self._left_out = _large_enough(self._splits["train"], crop_size)
        self.notes = loaded.notes
        self.image_shape = self._training_shape()
        self.image_type = tf.uint8 if all(image.dtype == np.uint8 for image in self._all_images()) else tf.float32
        counts = [split.counts.max() for split in self._splits.values() if split.counts is not None]
        max_objects = int(max(counts, default=0))
        self.splits = {
            name: Split(name, len(split.images), min_objects=0, max_objects=max_objects, held_out=name != "train")
            for name, split in self._splits.items()
        }
        known = {"counts": self._splits["test"].counts, "masks": self._splits["test"].masks}
        self.ground_truth = tuple(name for name, value in known.items() if value is not None)

    def _all_images(self) -> Iterator[np.ndarray]:
        for split in self._splits.values():
            yield from split.images

    def _training_shape(self) -> tuple[int, int, int]:
        shapes = {image.shape for image in self._splits["train"].images}
        if self._crop_size:
            return self._crop_size, self._crop_size, next(iter(shapes))[-1]
        if len(shapes) > 1:
            sizes = [f"{height} x {width}" for height, width, _ in (min(shapes), max(shapes))]
            raise UserError(
                f"training images have different sizes, such as {sizes[0]} and {sizes[1]} pixels: set --crop_size, the "
                "side of the crops to train on"
            )
        return next(iter(shapes))

    @functools.cached_property
    def levels(self) -> np.ndarray:
        """Background and contrast of each training image in [0, 1], float32 `[images, 2]`."""
        return _measured_levels(self._splits["train"].images)

    @override
    def warnings(self) -> list[str]:
        found = list(self._reading_warnings)
        if self._left_out:
            total = self._left_out + self.splits["train"].size
            found.append(
                f"{self._left_out} of {total} training images are smaller than --crop_size={self._crop_size} and are "
                "left out"
            )
        if (self.levels[:, 1] < 0.0).mean() > 0.5:
            found.append(
                "in most images objects are darker than the background: a model that normalizes (--lavae.normalize) "
                "inverts such images and works all the same, any other sees them as they are"
            )
        return found

    @functools.cached_property
    @override
    def training_checksum(self) -> int:
        return self._checksum("train")

    @functools.cached_property
    @override
    def held_out_checksum(self) -> int:
        return self._checksum(*self.held_out)

    def _checksum(self, *splits: str) -> int:
        checksum = 0
        for image in itertools.chain(*(self._splits[name].images for name in splits)):
            checksum = zlib.crc32(image.tobytes(), checksum)
        return checksum

    @override
    def typical_object_side(self) -> Optional[float]:
        """The larger side of the parts that reach half of their image's contrast, in up to 64 images.

        Half of the area of all parts is in parts with at least this side: the median of parts would be that of the
        fragments that textured objects fall into. Parts of fewer than 20 pixels are left out as noise. Objects that
        touch are one part.
        """
        images, sides, areas = self._splits["train"].images, [], []
        for index in np.linspace(0, len(images) - 1, min(len(images), _MOST_IMAGES), dtype=int):
            background, contrast = self.levels[index]
            normalized = (as_unit_range(images[index]) - background) / contrast
            parts = regionprops(label(normalized.max(axis=-1) > 0.5))
            for part in parts:
                if part.num_pixels >= _SMALLEST_PART:
                    top, left, bottom, right = part.bbox
                    sides.append(max(bottom - top, right - left))
                    areas.append(part.num_pixels)
        if not sides:
            return None
        order = np.argsort(sides)
        covered = np.cumsum(np.array(areas)[order])
        return float(np.array(sides)[order][np.searchsorted(covered, covered[-1] / 2)])

    @override
    def examples(self, split: Split, indices: Sequence[int]) -> dict[str, np.ndarray]:
        stored = self._splits[split.name]
        examples = {"images": self._batch([stored.images[index] for index in indices])}
        if not split.held_out:
            examples["levels"] = self.levels[np.asarray(indices)]
        if stored.counts is not None:
            examples["counts"] = stored.counts[np.asarray(indices)]
        if stored.masks is not None:
            examples["masks"] = np.stack([stored.masks[index] for index in indices]).astype(np.int32)
        return examples

    def _batch(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(images if self.image_type == tf.uint8 else [as_unit_range(image) for image in images])

    @override
    def training_batches(
        self, batch_size: int, seed: int, first_step: int = 0, shard: tuple[int, int] = (0, 1)
    ) -> tf.data.Dataset:
        """Endless batches of training images as in other data sets, or of crops; see `Crops`.

        The crops of a given step are the same regardless of the step at which the pipeline starts.
        """
        levels = self.levels  # Measured now, not by several threads of the pipeline at once.
        if not self._crop_size:
            return super().training_batches(batch_size, seed, first_step, shard)
        crops = Crops(self._splits["train"].images, levels, self._crop_size, self._flip_crops)
        positions = positions_from(first_step, batch_size, shard).batch(batch_size, drop_remainder=True)
        return self._crop_batches(crops, seed, positions)

    @property
    @override
    def trains_on_crops(self) -> bool:
        return bool(self._crop_size)

    @override
    def elbo_batches(self, split_name: str, batch_size: int, limit: Optional[int] = None) -> tf.data.Dataset:
        """Crops of held-out images, always the same, about 8 of each; whole images if all are smaller than crops."""
        images = [image for image in self._splits[split_name].images if min(image.shape[:2]) >= self._crop_size]
        if not self._crop_size or not images:
            return super().elbo_batches(split_name, batch_size, limit)
        crops = Crops(images, _measured_levels(images), self._crop_size, flip=False)
        number = _HELD_OUT_CROPS * len(images)
        positions = tf.data.Dataset.range(number if limit is None else min(limit, number)).batch(batch_size)
        return self._crop_batches(crops, _HELD_OUT_SEED, positions)

    def _crop_batches(self, crops: Crops, seed: int, positions: tf.data.Dataset) -> tf.data.Dataset:
        def drawn(numbers: np.ndarray) -> dict[str, np.ndarray]:
            windows, indices = zip(*(crops.draw(seed, int(position)) for position in numbers))
            return {"images": self._batch(windows), "levels": crops.levels[list(indices)]}

        return self._load(self.splits["train"], positions, self.measured, drawn)

    @override
    def _index_batches(self, split: Split, size: int, batch_size: int) -> tf.data.Dataset:
        if self._image_shape(split)[:2] != (None, None):
            return super()._index_batches(split, size, batch_size)
        batches = list(_batches_of_one_size(self._splits[split.name].images[:size], batch_size))
        return tf.data.Dataset.from_tensor_slices(tf.ragged.constant(batches, tf.int64))

    @override
    def _image_shape(self, split: Split) -> tuple[Optional[int], Optional[int], int]:
        if not split.held_out:
            return self.image_shape
        shapes = {image.shape for image in self._splits[split.name].images}
        return next(iter(shapes)) if len(shapes) == 1 else (None, None, self.image_shape[-1])


def _measured_levels(images: Sequence[np.ndarray]) -> np.ndarray:
    """Background and contrast of each image in [0, 1], float32 `[images, 2]`."""
    levels = np.empty((len(images), 2), np.float32)
    most = max(1, _MOST_PIXELS // max(image.size for image in images))
    batches = list(_batches_of_one_size(images, most))
    for indices in tqdm(batches, "Measuring levels", unit="batch", delay=2.0, leave=False):
        levels[indices] = measure_levels(np.stack([as_unit_range(images[index]) for index in indices]))
    return levels


def _large_enough(split: ImageSplit, crop_size: int) -> tuple[ImageSplit, int]:
    """The images that crops can be taken of, and the number of the others."""
    images = [image for image in split.images if min(image.shape[:2]) >= crop_size]
    if not images:
        height, width, _ = max((image.shape for image in split.images), key=lambda shape: min(shape[:2]))
        raise UserError(
            f"--crop_size={crop_size} is larger than every training image: the largest is {height} x {width} pixels"
        )
    left_out = len(split.images) - len(images)
    return (ImageSplit(images), left_out) if left_out else (split, 0)


def _batches_of_one_size(images: Sequence[np.ndarray], batch_size: int) -> Iterator[list[int]]:
    """Batches of indices of images of one size; the sizes come in the order of their first images."""
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for index, image in enumerate(images):
        by_shape.setdefault(image.shape, []).append(index)
    for indices in by_shape.values():
        for first in range(0, len(indices), batch_size):
            yield indices[first : first + batch_size]


def images(options: DataOptions, seed: int) -> ImageDataset:
    """The images of `--images_path`; the seed has no effect."""
    loaded = read_npz(options) if options.images_path.endswith(".npz") else read_files(options)
    return ImageDataset(loaded, options.crop_size, options.flip_crops)
