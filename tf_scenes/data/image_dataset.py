"""A data set of a user's own images."""

import zlib
from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from tf_scenes.data import user_arrays
from tf_scenes.data.datasets import Dataset
from tf_scenes.data.options import DataOptions
from tf_scenes.data.scenes import Split
from tf_scenes.errors import UserError
from tf_scenes.files import read_arrays

_HELD_OUT_ONE_IN = 10


class ImageDataset(Dataset):
    """A user's own images.

    About one in ten is held out as `test`. Which ones depends on a checksum of the pixels, so that identical images
    end up in the same split.
    """

    def __init__(self, path: str):
        """Reads the file.

        Args:
            path: Path of an `.npz` with `images` (uint8 in [0, 255] or float in [0, 1]; N x H x W, or N x H x W x C
                with C 1 or 3) and optionally `counts` (N whole numbers). Pickled objects are never loaded.

        Raises:
            UserError: If the file has another format, or too few different images for both splits.
        """
        arrays = read_arrays(path, required=("images",), optional=("counts",))
        self._images = user_arrays.as_uint8_images(arrays["images"], f"images in {path}")
        self._counts = None
        if "counts" in arrays:
            self._counts = user_arrays.as_counts(arrays["counts"], len(self._images), f"counts in {path}")
        held_out = np.array([zlib.crc32(image.tobytes()) % _HELD_OUT_ONE_IN == 0 for image in self._images])
        self._indices = {"train": np.flatnonzero(~held_out), "test": np.flatnonzero(held_out)}
        if not all(len(indices) for indices in self._indices.values()):
            raise UserError(
                f"{path} holds {len(held_out)} images, of which {held_out.sum()} fall into the held-out tenth: "
                "it needs more different images, at least a hundred"
            )
        max_objects = 0 if self._counts is None else int(self._counts.max())
        self.splits = {
            name: Split(name, size=len(indices), min_objects=0, max_objects=max_objects, held_out=name == "test")
            for name, indices in self._indices.items()
        }
        self.image_shape = self._images.shape[1:]
        self.ground_truth = () if self._counts is None else ("counts",)

    @override
    def examples(self, split: Split, indices: Sequence[int]) -> dict[str, np.ndarray]:
        chosen = self._indices[split.name][np.asarray(indices)]
        examples = {"images": self._images[chosen]}
        if self._counts is not None:
            examples["counts"] = self._counts[chosen]
        return examples


def images(options: DataOptions, seed: int) -> ImageDataset:
    """The images of `--images_path`; the seed has no effect."""
    return ImageDataset(options.images_path)
