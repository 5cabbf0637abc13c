"""Which files are the images of each split, and which are their masks."""

import dataclasses
import glob
import os
from typing import Optional

from tf_scenes.data.image_files import find_images
from tf_scenes.data.options import DataOptions
from tf_scenes.errors import UserError

_SPLITS = ("train", "validation", "test")
_IMAGES, _MASKS = "images", "masks"


class MaskFolder:
    """The masks of a split: files in a folder that are named like their images, whatever their extensions."""

    def __init__(self, folder: str, flag: str, places: list[tuple[str, str]]):
        """Finds the files.

        Args:
            folder: The folder.
            flag: Name of the flag that gives it, for error messages.
            places: Where a mask may be: in which folder inside of `folder` (empty for itself), and the folder that the
                name of its image is relative to. The first place that has a mask counts.

        Raises:
            UserError: If there is no such folder, or if it holds no picture.
        """
        if not os.path.isdir(folder):
            raise UserError(f"--{flag}={folder} is no folder: masks are searched in one by the names of their images")
        self._folder, self._places = folder, places
        self._paths: dict[str, list[str]] = {}
        for path in find_images(folder, flag):
            self._paths.setdefault(_name(path, folder), []).append(path)

    def mask_of(self, image: str) -> str:
        """Path of an image's mask.

        Raises:
            UserError: If there is none, or more than one.
        """
        for inside, root in self._places:
            paths = self._paths.get(os.path.normpath(os.path.join(inside, _name(image, root))), [])
            paths = [path for path in paths if not os.path.samefile(path, image)]
            if len(paths) > 1:
                raise UserError(f"{image} has several masks: {', '.join(paths)}; one is needed")
            if paths:
                return paths[0]
        raise UserError(f"{image} has no mask: a label image of the same name is needed in {self._folder}")


@dataclasses.dataclass(frozen=True)
class SplitFiles:
    """The files of a split.

    Attributes:
        images: Paths of its images.
        root: Folder that the names of its images are relative to.
        masks: Folder of its masks; None if it has none.
    """

    images: list[str]
    root: str
    masks: Optional[MaskFolder] = None


def find_splits(options: DataOptions) -> dict[str, SplitFiles]:
    """Finds the files that the flags stand for.

    Args:
        options: Options with `images_path`; see its help text and those of the other paths.

    Returns:
        Files of `train` and, if there are such, of `validation` and `test`.

    Raises:
        UserError: If a path holds no pictures.
    """
    splits = _splits_of_folder(options.images_path)
    for name, path in (("validation", options.validation_path), ("test", options.test_path)):
        if path:
            splits[name] = _split(path, f"{name}_path")
    if options.masks_path:
        splits = {name: _with_masks(name, split, options) for name, split in splits.items()}
    held_out = {os.path.realpath(image) for name in splits if name != "train" for image in splits[name].images}
    train = [image for image in splits["train"].images if os.path.realpath(image) not in held_out]
    # Someone with a single picture may want to train on it and to see how that went.
    splits["train"] = dataclasses.replace(splits["train"], images=train or splits["train"].images)
    return {name: splits[name] for name in _SPLITS if name in splits}


def _splits_of_folder(path: str) -> dict[str, SplitFiles]:
    folders = {name: os.path.join(path, name) for name in _SPLITS}
    if not os.path.isdir(folders["train"]):
        return {"train": _split(path, "images_path")}
    return {name: _split(folder, "images_path") for name, folder in folders.items() if os.path.isdir(folder)}


def _split(path: str, flag: str) -> SplitFiles:
    """The files of one split, where masks may be in a folder named so, and the images in one named `images`."""
    if not os.path.isdir(path):
        return SplitFiles(_images(path, flag, _fixed_folder(path)), _fixed_folder(path))
    path = os.path.normpath(path)
    images, masks = os.path.join(path, _IMAGES), os.path.join(path, _MASKS)
    folder = images if os.path.isdir(images) and os.path.isdir(masks) else path
    found = _images(folder, flag, folder)
    root = images if all(file.startswith(images + os.sep) for file in found) else path
    return SplitFiles(found, root, MaskFolder(masks, flag, [("", root)]) if os.path.isdir(masks) else None)


def _images(path: str, flag: str, root: str) -> list[str]:
    """The pictures that a path stands for, without those in folders of masks."""
    found = [file for file in find_images(path, flag) if _MASKS not in os.path.relpath(file, root).split(os.sep)[:-1]]
    if not found:
        raise UserError(f"--{flag}={path} holds masks only: pictures outside of folders named {_MASKS} are needed")
    return found


def _with_masks(name: str, split: SplitFiles, options: DataOptions) -> SplitFiles:
    all_images = options.images_path if os.path.isdir(options.images_path) else split.root
    places = [(os.path.join(name, _MASKS), split.root), (name, split.root), ("", all_images), ("", split.root)]
    return dataclasses.replace(split, masks=MaskFolder(options.masks_path, "masks_path", places))


def _fixed_folder(pattern: str) -> str:
    """The folder of a file, or the part of a glob before its first wildcard."""
    folder = os.path.dirname(pattern)
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)
    return folder or os.curdir


def _name(path: str, root: str) -> str:
    return os.path.splitext(os.path.relpath(path, root))[0]
