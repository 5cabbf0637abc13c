import dataclasses
import importlib
import os

import numpy as np
import pytest
from PIL import Image

from tf_scenes.data import registry
from tf_scenes.data.datasets import load_bundled_dataset
from tf_scenes.data.options import DataOptions
from tf_scenes.errors import UserError


@pytest.mark.parametrize("name", registry.names())
def test_every_row_s_function_exists(name):
    entry = registry.entry(name)
    assert entry.name == name and entry.contents
    module, function = entry.function.split(":")
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("name", registry.names())
def test_a_required_flag_is_an_option(name):
    flag = registry.entry(name).required_flag
    assert flag is None or flag in {field.name for field in dataclasses.fields(DataOptions)}


@pytest.mark.parametrize("name", [name for name in registry.names() if registry.entry(name).bundled])
def test_what_stands_in_for_a_download_is_a_data_set_that_needs_none(name):
    bundled = registry.entry(registry.entry(name).bundled)
    assert bundled.name in registry.names()
    assert bundled.bundled is None and bundled.required_flag is None
    flags = {"dataset": name, "seed": 1, "train_size": 10, "test_size": 5, "model": "lavae", "lavae.strides": 2}
    dataset = load_bundled_dataset(flags)
    assert len(dataset.generator.bank) == 1_797  # scikit-learn's digits.
    assert dataset.splits["test"].size == 5


def test_paths_within_the_working_folder_are_kept_and_others_are_not(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for path, kept in (
        ("cells", "cells"),
        ("./cells/../nuclei/", "nuclei"),
        (str(tmp_path / "here" / "deep" / "cells.npz"), os.path.join("deep", "cells.npz")),
        (str(tmp_path / "cells"), None),
        (os.path.join("..", "cells"), None),
        ("..cells", "..cells"),
    ):
        options = DataOptions(dataset="images", images_path=path)
        assert options.portable_paths() == ({} if kept is None else {"images_path": kept})
    both = DataOptions(dataset="images", images_path="cells", test_path=str(tmp_path / "others"))
    assert both.portable_paths() == {}  # Others than those that were measured would be shown.
    assert DataOptions().portable_paths() == {}


def test_a_user_s_images_are_loaded_from_where_the_report_says(tmp_path):
    for number in range(3):
        pixels = np.random.RandomState(number).randint(0, 255, (20, 30)).astype(np.uint8)
        for split in ("train", "test"):
            path = tmp_path / split / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels + (split == "test")).save(path)
    flags = {"dataset": "images", "seed": 1, "crop_size": 16, "model": "lavae", "lavae.strides": 2}
    dataset = load_bundled_dataset(flags, {"images_path": str(tmp_path)})
    assert dataset.splits["test"].size == 3 and dataset.image_shape == (16, 16, 1)
    with pytest.raises(UserError, match=r"report does not say where its data is \(--images_path\)"):
        load_bundled_dataset(flags, {})
    with pytest.raises(UserError, match="nowhere does not exist"):
        load_bundled_dataset(flags, {"images_path": "nowhere"})


def test_the_flag_says_what_each_data_set_shows():
    (field,) = [field for name, field in DataOptions.flags() if name == "dataset"]
    assert field.metadata["choices"] == registry.names()
    for name in registry.names():
        assert f"{name}: {registry.entry(name).contents}" in field.metadata["help"]
