"""Options of the data sets."""

import dataclasses
import os
from typing import Optional

from typing_extensions import override

from tf_scenes.data import registry
from tf_scenes.errors import UserError
from tf_scenes.options import Options, option

# How close objects of a scene may be.
FRAMES, PIXELS, SUMS, OVERLAP = SPACINGS = ("frames", "pixels", "sums", "overlap")


@dataclasses.dataclass(frozen=True)
class DataOptions(Options):
    """Options of the scenes that a model is trained and evaluated on."""

    dataset: str = option("multi_dsprites", f"Data set. {registry.contents()}.", choices=registry.names())
    mnist_path: Optional[str] = option(
        None,
        "Folder with MNIST's IDX .gz files, or path of an mnist.npz. Default: Keras's copy, downloaded if necessary.",
        affects_training=False,
    )
    sprites_path: Optional[str] = option(
        None,
        "Sprites for --dataset=multi_custom: an .npz file with an array 'sprites' (K x h x w [x C], uint8 or float in "
        "[0, 1]) and optionally 'labels'.",
        affects_training=False,
    )
    tfrecords_path: Optional[str] = option(
        None,
        "Scenes for --dataset=tfrecords: a .tfrecords file of DeepMind's multi_object_datasets (Multi-dSprites, "
        "Tetrominoes, Objects Room, CLEVR with masks), a folder of its parts, or a glob in quotes. The first "
        "--test_size scenes are the split test, the next --validation_size validation, and up to --train_size of the "
        "others are trained on.",
        affects_training=False,
    )
    images_path: Optional[str] = option(
        None,
        "Images for --dataset=images: a folder, searched with all folders in it, a glob in quotes, or one file; PNG, "
        "JPEG, BMP or TIFF. A folder may hold train/, validation/ and test/, and each folder images/ and masks/; "
        "without test/ a tenth of the images is held out, and of 100 or more another tenth for validation. Or an .npz "
        "file with an array 'images' (N x H x W [x C], uint8 or float in [0, 1]; or 'x', as the package multiobject "
        "has it) and optionally 'counts', the number of objects in each, and 'masks' (N x H x W).",
        affects_training=False,
    )
    validation_path: Optional[str] = option(
        None,
        "Images of the split validation, on which reports are made in the course of training: a folder, a glob or a "
        "file. Default: validation/ in --images_path or, if there is neither that nor a split test, a tenth of 100 "
        "images or more.",
        affects_training=False,
    )
    test_path: Optional[str] = option(
        None,
        "Images of the split test: a folder, a glob or a file. Default: test/ in --images_path, or else a tenth of the "
        "images.",
        affects_training=False,
    )
    masks_path: Optional[str] = option(
        None,
        "Folder of ground truth for held-out images: label images of the same names, 0 for background and a number for "
        "each object; there may be a folder for each split. Default: masks/ beside images/. Training never reads any.",
        affects_training=False,
    )
    image_channels: Optional[int] = option(
        None,
        "Channels that the images of --dataset=images are converted to: 1, grey, or 3, RGB. Default: what the files "
        "have.",
        lower=1,
    )
    crop_size: int = option(
        0,
        "Side of the random square crops of images that --dataset=images is trained on, in pixels; 0 for whole images. "
        "Held-out images are always whole.",
        lower=0,
        upper=4096,
    )
    flip_crops: bool = option(
        True, "Whether training crops are also mirrored and turned by multiples of 90 degrees at random."
    )
    image_size: int = option(64, "Side of the square canvas in pixels. LAVAE's paper: 64.", lower=8, upper=4096)
    sprite_size: int = option(18, "Side of the largest object in pixels. LAVAE's paper: 18.", lower=8, upper=1024)
    spacing: Optional[str] = option(
        None,
        "How close objects of a scene may be. frames: square frames around objects do not overlap; pixels: frames may, "
        "but a dark pixel is between any two objects; sums: objects may share pixels if the sum of their brightness is "
        "at most white; overlap: two objects may share at most a quarter of the smaller one's pixels. Default: "
        "frames, and sums for multi_mnist_observations.",
        choices=SPACINGS,
    )
    train_size: int = option(
        190_000, "Number of training scenes. LAVAE's paper: 190,000.", lower=1, upper=1_000_000_000
    )
    test_size: int = option(
        10_000,
        "Number of scenes in each test split, the one of --many_objects included. LAVAE's paper: 10,000.",
        lower=1,
        upper=1_000_000_000,
    )
    validation_size: int = option(
        2_000,
        "Number of scenes in each validation split, on which reports are made in the course of training and by which "
        "recipes are chosen; one has as many objects as training scenes, the other --many_objects.",
        lower=1,
        upper=1_000_000_000,
        affects_training=False,
    )
    min_objects: int = option(
        0, "Minimum number of objects in a training or test scene. LAVAE's paper: 0.", lower=0, upper=1_000
    )
    max_objects: int = option(
        3, "Maximum number of objects in a training or test scene. LAVAE's paper: 3.", lower=1, upper=1_000
    )
    many_objects: int = option(
        7,
        "Number of objects in each scene of a second test split, named after that number, test_7, and of a second "
        "validation split. LAVAE's paper: 7.",
        lower=1,
        upper=1_000,
    )

    @override
    def check(self) -> None:
        if self.min_objects > self.max_objects:
            raise UserError(f"--min_objects={self.min_objects} is above --max_objects={self.max_objects}")
        if self.sprite_size > self.image_size:
            raise UserError(f"--sprite_size={self.sprite_size} is above --image_size={self.image_size}")
        self._check_images()

    def require_paths(self) -> None:
        """Checks that the flag is set that says where the data set's files are, if it is made of any.

        Raises:
            UserError: If it is not.
        """
        flag = registry.entry(self.dataset).required_flag
        if flag and getattr(self, flag) is None:
            raise UserError(f"--dataset={self.dataset} needs --{flag}")

    def absolute_paths(self) -> dict[str, str]:
        """Where the data is, by flag, whatever the working folder is; for a run's own folder."""
        names = [name for name, _ in self.flags() if name.endswith("_path") and getattr(self, name)]
        return {name: os.path.abspath(getattr(self, name)) for name in names}

    def portable_paths(self) -> dict[str, str]:
        """Where the data is, by flag, relative to the working folder; empty if any of it lies outside of that folder.

        Reports hold these paths. Others would mean nothing on other machines, and may be nobody else's business.
        """
        names = sorted(name for name, _ in self.flags() if name.endswith("_path"))
        paths = {name: os.path.relpath(path) for name in names for path in [getattr(self, name)] if path}
        return {} if any(path.split(os.sep)[0] == os.pardir for path in paths.values()) else paths

    def _check_images(self) -> None:
        if self.image_channels not in (None, 1, 3):
            raise UserError(f"--image_channels={self.image_channels} must be 1 (grey) or 3 (RGB)")
        if 0 < self.crop_size < 8:
            raise UserError(f"--crop_size={self.crop_size} must be 0, for whole images, or at least 8")
        of_files = ("validation_path", "test_path", "masks_path")
        if self.dataset != "images":
            for name in ("images_path", *of_files, "image_channels", "crop_size"):
                if getattr(self, name):
                    raise UserError(f"--{name}={getattr(self, name)} is for --dataset=images only")
        elif self.images_path and self.images_path.endswith(".npz"):
            for name in of_files:
                if getattr(self, name):
                    raise UserError(
                        f"--{name} is for image files: an .npz file is given by --images_path, and holds its splits "
                        "and masks itself"
                    )
