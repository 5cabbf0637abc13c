"""Data sets of scenes that are composed of sprites from a bank."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from typing_extensions import override

from tf_scenes.data import sprites
from tf_scenes.data.datasets import Dataset, KnownScene
from tf_scenes.data.options import FRAMES, SUMS, DataOptions
from tf_scenes.data.scenes import SceneGenerator, Split


class SceneDataset(Dataset):
    """Scenes composed of sprites from a bank."""

    ground_truth = ("counts", "centers", "labels", "masks")
    black_background = True

    def __init__(
        self, bank: sprites.SpriteBank, splits: Sequence[Split], image_size: int, seed: int, spacing: str = FRAMES
    ):
        """Creates the data set.

        Args:
            bank: Sprites that the scenes are composed of.
            splits: Splits of the data set.
            image_size: Side of the canvas in pixels.
            seed: Seed of the scenes.
            spacing: How close objects may be, one of `options.SPACINGS`.

        Raises:
            UserError: If the objects do not fit on the canvas.
        """
        self.generator = SceneGenerator(bank, image_size, image_size, seed, spacing)
        # Objects that do not fit are reported here: an error inside the tf.data pipeline would have a long traceback.
        for split in splits:
            self.generator.scene(dataclasses.replace(split, min_objects=split.max_objects), index=0)
        self.splits = {split.name: split for split in splits}
        self.image_shape = (image_size, image_size, bank.channels)
        self.label_names = tuple(bank.label_names)
        self.origin = bank.origin

    @override
    def examples(self, split: Split, indices: Sequence[int]) -> dict[str, np.ndarray]:
        scenes = [self.generator.scene(split, int(index)) for index in indices]
        examples = {
            "images": np.stack([scene.image for scene in scenes]),
            "counts": np.array([scene.count for scene in scenes], np.int32),
            "centers": np.stack([scene.centers for scene in scenes]),
            "labels": np.stack([scene.labels for scene in scenes]),
        }
        if split.held_out:
            examples["masks"] = np.stack([self.generator.mask(scene) for scene in scenes])
        return examples

    @property
    @override
    def factor_splits(self) -> tuple[str, str]:
        return "train", "test"

    @override
    def known_scenes(self, split_name: str) -> Iterator[KnownScene]:
        split = dataclasses.replace(self.splits[split_name], min_objects=1, max_objects=1)
        for index in itertools.count():
            scene = self.generator.scene(split, index)
            yield KnownScene(scene.image, scene.centers[:1], scene.labels[:1], scene.attributes)


def scenes_of(bank: sprites.SpriteBank, options: DataOptions, seed: int, spacing: str = FRAMES) -> SceneDataset:
    """The data set of scenes with the splits, the numbers of objects and the spacing that the options specify.

    Args:
        bank: Sprites that the scenes are composed of.
        options: Options of the data.
        seed: Seed of the scenes.
        spacing: Spacing if the options specify none.
    """
    fewest, most, many = options.min_objects, options.max_objects, options.many_objects
    splits = (
        Split("train", options.train_size, fewest, most, held_out=False),
        Split("validation", options.validation_size, fewest, most, held_out=True),
        Split(f"validation_{many}", options.validation_size, many, many, held_out=True),
        Split("test", options.test_size, fewest, most, held_out=True),
        Split(f"test_{many}", options.test_size, many, many, held_out=True),
    )
    return SceneDataset(bank, splits, options.image_size, seed, options.spacing or spacing)


def multi_dsprites(options: DataOptions, seed: int) -> SceneDataset:
    """LAVAE's coloured shapes, see `sprites.shapes`."""
    return scenes_of(sprites.shapes(options.sprite_size), options, seed)


def multi_mnist_1k(options: DataOptions, seed: int) -> SceneDataset:
    """LAVAE's binary digits, from a pool of 1,000, see `sprites.mnist`."""
    return scenes_of(sprites.mnist(options.mnist_path, options.sprite_size, pool=1_000), options, seed)


def multi_mnist_10k(options: DataOptions, seed: int) -> SceneDataset:
    """LAVAE's binary digits, from a pool of 10,000, see `sprites.mnist`."""
    return scenes_of(sprites.mnist(options.mnist_path, options.sprite_size, pool=10_000), options, seed)


def multi_digits(options: DataOptions, seed: int) -> SceneDataset:
    """Binary digits of scikit-learn, see `sprites.handwritten_digits`."""
    return scenes_of(sprites.handwritten_digits(options.sprite_size), options, seed)


def multi_sprites(options: DataOptions, seed: int) -> SceneDataset:
    """Discrete-AIR's grey shapes, see `sprites.grey_shapes`."""
    return scenes_of(sprites.grey_shapes(options.sprite_size), options, seed)


def multi_mnist_air(options: DataOptions, seed: int) -> SceneDataset:
    """Discrete-AIR's grey digits, see `sprites.grey_mnist`."""
    return scenes_of(sprites.grey_mnist(options.mnist_path, options.sprite_size), options, seed)


def multi_mnist_observations(options: DataOptions, seed: int) -> SceneDataset:
    """Multi-MNIST of the `observations` package, which AIR's followers use, see `sprites.scaled_mnist`."""
    return scenes_of(sprites.scaled_mnist(options.mnist_path, options.sprite_size), options, seed, SUMS)


def multi_digits_air(options: DataOptions, seed: int) -> SceneDataset:
    """Grey digits of scikit-learn, see `sprites.grey_handwritten_digits`."""
    return scenes_of(sprites.grey_handwritten_digits(options.sprite_size), options, seed)


def multi_custom(options: DataOptions, seed: int) -> SceneDataset:
    """A user's own sprites, see `sprites.from_file`."""
    return scenes_of(sprites.from_file(options.sprites_path), options, seed)
