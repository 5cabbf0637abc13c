"""The data sets by name.

This module does not import TensorFlow, because the definitions of the flags import it and `--help` should be fast. To
add a data set, write a function from (`DataOptions`, seed) to `Dataset` and add an entry here.
"""

import dataclasses
from typing import Optional


@dataclasses.dataclass(frozen=True)
class DatasetEntry:
    """What is known about a data set before it is loaded.

    Attributes:
        name: Value of `--dataset`.
        contents: Short description of the images, for the flag's help text.
        function: Function that loads the data set, as `module:function`.
        required_flag: Name of the flag that must be set to load the data set, if any.
        bundled: Name of a similar data set that needs no download, if this one does.
    """

    name: str
    contents: str
    function: str
    required_flag: Optional[str] = None
    bundled: Optional[str] = None


_SCENES = "tf_scenes.data.scene_datasets"
_ENTRIES = {
    entry.name: entry
    for entry in (
        DatasetEntry("multi_dsprites", "coloured shapes", f"{_SCENES}:multi_dsprites"),
        DatasetEntry(
            "multi_mnist_1k", "a pool of 1,000 binary MNIST digits", f"{_SCENES}:multi_mnist_1k", bundled="multi_digits"
        ),
        DatasetEntry(
            "multi_mnist_10k",
            "a pool of 10,000 binary MNIST digits",
            f"{_SCENES}:multi_mnist_10k",
            bundled="multi_digits",
        ),
        DatasetEntry("multi_digits", "scikit-learn's digits, binary", f"{_SCENES}:multi_digits"),
        DatasetEntry("multi_sprites", "grey shapes", f"{_SCENES}:multi_sprites"),
        DatasetEntry("multi_mnist_air", "grey MNIST digits", f"{_SCENES}:multi_mnist_air", bundled="multi_digits_air"),
        DatasetEntry(
            "multi_mnist_observations",
            "grey MNIST digits of several sizes, which may touch",
            f"{_SCENES}:multi_mnist_observations",
            bundled="multi_digits_air",
        ),
        DatasetEntry("multi_digits_air", "scikit-learn's digits, grey", f"{_SCENES}:multi_digits_air"),
        DatasetEntry("multi_custom", "sprites of --sprites_path", f"{_SCENES}:multi_custom", "sprites_path"),
        DatasetEntry(
            "tfrecords",
            "scenes of DeepMind's multi_object_datasets in --tfrecords_path",
            "tf_scenes.data.tfrecords:tfrecords",
            "tfrecords_path",
        ),
        DatasetEntry("images", "the images of --images_path", "tf_scenes.data.image_dataset:images", "images_path"),
    )
}


def names() -> tuple[str, ...]:
    """Names of all data sets."""
    return tuple(_ENTRIES)


def entry(name: str) -> DatasetEntry:
    """The entry of a data set by its name, one of `names`."""
    return _ENTRIES[name]


def contents() -> str:
    """The contents of every data set, in one line for the flag's help text."""
    return "; ".join(f"{each.name}: {each.contents}" for each in _ENTRIES.values())
