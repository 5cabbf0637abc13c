"""A user's images in memory, by split: read from picture files or from an `.npz`."""

import dataclasses
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

import numpy as np
from tqdm import tqdm

from tf_scenes.array_files import read_arrays
from tf_scenes.data import user_arrays
from tf_scenes.data.image_files import as_unit_range, read_picture, with_channels
from tf_scenes.data.image_folders import MaskFolder, SplitFiles, find_splits
from tf_scenes.data.label_images import as_label_image, read_label_pages, require_instances
from tf_scenes.data.options import DataOptions
from tf_scenes.errors import UserError

_HELD_OUT = ("validation", "test")
_HELD_OUT_ONE_IN = 10
# Of fewer images than these there is no `validation`: training needs them more.
_FEWEST_FOR_VALIDATION = 100
# Files of held-out images that are named.
_MOST_NAMED = 5


@dataclasses.dataclass(frozen=True)
class ImageSplit:
    """The images of a split.

    Attributes:
        images: Images, each uint8, uint16, or float32 in [0, 1], `[height, width, channels]`.
        counts: Number of objects in each, int32 `[images]`; None if unknown.
        masks: Label images, each of any integer type, `[height, width]`: 0 background, 1 to n the objects; None if
            there are none.
    """

    images: Sequence[np.ndarray]
    counts: Optional[np.ndarray] = None
    masks: Optional[Sequence[np.ndarray]] = None


@dataclasses.dataclass(frozen=True)
class ImageSplits:
    """All splits of a data set.

    Attributes:
        splits: Splits by name.
        notes: What a user should know about how images were read, a line each.
        warnings: What may be wrong with them, a line each.
    """

    splits: Mapping[str, ImageSplit]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class _Page(NamedTuple):
    """An image with its file, its page there, and that file's number of pages."""

    image: np.ndarray
    path: str
    number: int
    of: int


def read_npz(options: DataOptions) -> ImageSplits:
    """Reads the images of an `.npz`, about one in ten of which is held out as `test` and, of 100, `validation`.

    Which ones depends on a checksum of the pixels, so that identical images end up in the same split.

    Args:
        options: Options whose `images_path` is an `.npz` with `images` (uint8 in [0, 255] or float in [0, 1]; N x H x
            W, or N x H x W x C with C 1 or 3), and optionally `counts` (N whole numbers) and `masks` (N x H x W label
            images). Pickled objects are never loaded. A file of the package multiobject has its images in `x`.

    Raises:
        UserError: If the file has another format, or too few different images for both splits.
    """
    path = options.images_path
    arrays = read_arrays(path, required=("images",), optional=("counts", "masks"), aliases={"images": "x"})
    images = user_arrays.as_uint8_images(arrays["images"], f"images in {path}")
    counts, masks = None, arrays.get("masks")
    if "counts" in arrays:
        counts = user_arrays.as_counts(arrays["counts"], len(images), f"counts in {path}")
    if masks is not None and masks.shape != images.shape[:3]:
        raise UserError(f"masks in {path} have shape {masks.shape}: {images.shape[:3]} is needed, as images have")
    parts = _parts(np.array([_checksum(image) for image in images]))
    if not ("train" in parts and "test" in parts):
        raise UserError(
            f"{path} holds {len(images)} images, of which {len(parts.get('test', ()))} fall into the held-out tenth: "
            "it needs more different images, at least a hundred"
        )
    images = with_channels(images, options.image_channels or images.shape[-1])
    splits = {}
    for name, chosen in parts.items():
        labels = None
        if masks is not None and name != "train":
            labels = [_compact(as_label_image(masks[index], f"mask {index} in {path}")) for index in chosen]
            require_instances(labels, path)
        of_split = None if counts is None else counts[chosen]
        splits[name] = _with_ground_truth([images[index] for index in chosen], of_split, labels)
    return ImageSplits(splits, (_summary(splits),))


def read_files(options: DataOptions) -> ImageSplits:
    """Reads the images of picture files, and the masks of those that are held out.

    Without files for `test` about one in ten images is held out, and as many for `validation` if there are no files for
    it either: as for an `.npz`, but at least one for `test`.

    Args:
        options: Options with `images_path`; see its help text and those of the other paths.

    Raises:
        UserError: If files are missing, cannot be read, or do not go together.
    """
    files = find_splits(options)
    held_out = [name for name in _HELD_OUT if name in files or name == "test"]
    masks = {name: files.get(name, files["train"]).masks for name in held_out}
    _check_masks(files, masks)
    transparent: list[str] = []
    notes: list[str] = []
    pages = {name: _read(split.images, options, transparent) for name, split in files.items()}
    if "test" not in files:
        found = _held_out(pages["train"], options.images_path, with_validation="validation" not in files)
        for name in _HELD_OUT:
            if name in found:
                masks[name] = masks["test"]
                notes.append(f"Held out as {name}, by checksums of their pixels: {_names(found[name])}.")
        pages = {"train": found["train"], **pages, **found}
    _require_same_channels([page for split in pages.values() for page in split])
    splits = {"train": ImageSplit([page.image for page in pages["train"]])}
    for name in (name for name in _HELD_OUT if name in pages):
        folder = masks[name]
        labels = _read_masks(pages[name], folder, name) if folder else None
        splits[name] = _with_ground_truth([page.image for page in pages[name]], None, labels)
    notes.insert(0, _summary(splits))
    if transparent:
        notes.append(f"Transparent pixels, as in {transparent[0]}, are drawn over black.")
    return ImageSplits(splits, tuple(notes), tuple(_warnings(splits)))


def _check_masks(files: Mapping[str, SplitFiles], masks: Mapping[str, Optional[MaskFolder]]) -> None:
    """Checks before anything is read that all held-out images have masks, or none."""
    by_presence = {folder is not None: name for name, folder in masks.items()}
    if len(by_presence) > 1:
        raise UserError(
            f"images of {by_presence[True]} have masks, but those of {by_presence[False]} have none: give masks to "
            "both, in a folder named masks or by --masks_path, or to neither"
        )
    for name, folder in masks.items():
        for path in files[name].images if folder and name in files else ():
            folder.mask_of(path)


def _read(paths: Sequence[str], options: DataOptions, transparent: list[str]) -> list[_Page]:
    """Reads images, and notes the files that were transparent."""
    pages: list[_Page] = []
    try:
        for path in tqdm(paths, "Reading images", unit="file", delay=2.0, leave=False):
            picture = read_picture(path)
            if picture.transparent:
                transparent.append(path)
            for number, image in enumerate(picture.pages):
                image = with_channels(image, options.image_channels or image.shape[-1])
                image = image if np.issubdtype(image.dtype, np.integer) else as_unit_range(image)
                pages.append(_Page(image, path, number, len(picture.pages)))
    except MemoryError as error:
        size = sum(page.image.nbytes for page in pages) / 1e9
        raise UserError(
            f"not enough memory for the images: {size:.1f} GB were read from {len(pages)} images when {path} did not "
            f"fit; there are {len(paths)} files"
        ) from error
    return pages


def _parts(checksums: np.ndarray, with_validation: bool = True) -> dict[str, np.ndarray]:
    """Indices of the images of each split that is not empty, about a tenth of them in each that is held out."""
    remainders = checksums % _HELD_OUT_ONE_IN
    names = np.where(remainders == 0, "test", "train")
    if with_validation and len(checksums) >= _FEWEST_FOR_VALIDATION:
        names = np.where(remainders == 1, "validation", names)
    parts = {name: np.flatnonzero(names == name) for name in ("train", *_HELD_OUT)}
    return {name: indices for name, indices in parts.items() if len(indices)}


def _held_out(pages: list[_Page], where: str, with_validation: bool) -> dict[str, list[_Page]]:
    """The images for training and those that are held out, at least one of them for `test`."""
    checksums = np.array([_checksum(page.image) for page in pages])
    parts = _parts(checksums, with_validation)
    if not ("train" in parts and "test" in parts):
        test = checksums == checksums.min()
        parts = {"train": np.flatnonzero(~test), "test": np.flatnonzero(test)}
    if not len(parts["train"]):
        raise UserError(
            f"--images_path={where} holds one picture only, and some must be held out: --test_path takes others, or "
            "the same one, to see how a model does on what it was trained on"
        )
    return {name: [pages[index] for index in indices] for name, indices in parts.items()}


def _names(pages: list[_Page]) -> str:
    paths = list(dict.fromkeys(page.path for page in pages))
    more = len(paths) - _MOST_NAMED
    return ", ".join(paths[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _read_masks(pages: list[_Page], folder: MaskFolder, split_name: str) -> list[np.ndarray]:
    masks, of_file = [], {}
    for page in pages:
        path = folder.mask_of(page.path)
        if path not in of_file:
            of_file = {path: read_label_pages(path)}
        if len(of_file[path]) != page.of:
            raise UserError(f"{path} has {len(of_file[path])} pages, but its image {page.path} has {page.of}")
        mask = of_file[path][page.number]
        if mask.shape != page.image.shape[:2]:
            sizes = [" x ".join(map(str, shape[:2])) for shape in (mask.shape, page.image.shape)]
            raise UserError(f"{path} is {sizes[0]} pixels, but its image {page.path} is {sizes[1]} (height x width)")
        masks.append(_compact(mask))
    require_instances(masks, f"the split {split_name}")
    return masks


def _with_ground_truth(
    images: list[np.ndarray], counts: Optional[np.ndarray], masks: Optional[list[np.ndarray]]
) -> ImageSplit:
    if counts is None and masks is not None:
        counts = np.array([mask.max() for mask in masks], np.int32)
    return ImageSplit(images, counts, masks)


def _compact(mask: np.ndarray) -> np.ndarray:
    return mask.astype(np.min_scalar_type(mask.max()))


def _checksum(image: np.ndarray) -> int:
    return zlib.crc32(image.tobytes())


def _require_same_channels(pages: Sequence[_Page]) -> None:
    first = {page.image.shape[-1]: page.path for page in reversed(pages)}
    if len(first) > 1:
        raise UserError(
            f"{first[1]} is grey, but {first[3]} is in colour: --image_channels=1 or --image_channels=3 converts all"
        )


def _summary(splits: Mapping[str, ImageSplit]) -> str:
    numbers = ", ".join(f"{len(split.images):,} {name}" for name, split in splits.items())
    summary = f"Images: {numbers}; {'with' if splits['test'].masks else 'without'} masks of those held out."
    if "validation" in splits:
        return summary
    return f"{summary} Without a split validation, reports during training are on test."


def _warnings(splits: Mapping[str, ImageSplit]) -> Iterator[str]:
    train = {_checksum(image) for image in splits["train"].images}
    for name, split in splits.items():
        same = sum(_checksum(image) in train for image in split.images)
        if name != "train" and same:
            yield (
                f"{same} of {len(split.images)} images of the split {name} are training images too: what is measured "
                "there does not say how a model does on new images"
            )
    images = [image for split in splits.values() for image in split.images]
    if images[0].shape[-1] == 3 and all((image == image[..., :1]).all() for image in images):
        yield "all images are grey, though stored in colour: --image_channels=1 makes training faster"
