"""The data sets by name; free of TensorFlow, since the flags list them.

A data set is one function, (`DataOptions`, seed) to `Dataset`, and one row here.
"""

import dataclasses
from typing import Optional


@dataclasses.dataclass(frozen=True)
class DatasetEntry:
    """What is known of a data set before it is loaded.

    Attributes:
        name: value of `--dataset`.
        contents: what it shows, for the flag's help text.
        function: what loads it, as `module:function`.
        required_flag: name of the flag without which it cannot be loaded, if there is one.
        bundled: name of a data set of the same kind that needs no download, if this one does.
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
        DatasetEntry("multi_mnist_10k", "10,000 of them", f"{_SCENES}:multi_mnist_10k", bundled="multi_digits"),
        DatasetEntry("multi_digits", "scikit-learn's digits, binary", f"{_SCENES}:multi_digits"),
        DatasetEntry("multi_sprites", "grey shapes", f"{_SCENES}:multi_sprites"),
        DatasetEntry("multi_mnist_air", "grey MNIST digits", f"{_SCENES}:multi_mnist_air", bundled="multi_digits_air"),
        DatasetEntry("multi_digits_air", "scikit-learn's digits, grey", f"{_SCENES}:multi_digits_air"),
        DatasetEntry("multi_custom", "sprites of --sprites_path", f"{_SCENES}:multi_custom", "sprites_path"),
        DatasetEntry("images", "the images of --images_path", "tf_scenes.data.image_dataset:images", "images_path"),
    )
}


def names() -> tuple[str, ...]:
    """Every data set's name."""
    return tuple(_ENTRIES)


def entry(name: str) -> DatasetEntry:
    """A data set's row by its name, one of `names`."""
    return _ENTRIES[name]


def contents() -> str:
    """What each data set shows, in one line for the flag's help text."""
    return "; ".join(f"{each.name}: {each.contents}" for each in _ENTRIES.values())
