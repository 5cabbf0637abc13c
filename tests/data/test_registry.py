import dataclasses
import importlib

import pytest

from tf_scenes.data import registry
from tf_scenes.data.datasets import load_bundled_dataset
from tf_scenes.data.options import DataOptions


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


def test_the_flag_says_what_each_data_set_shows():
    (field,) = [field for name, field in DataOptions.flags() if name == "dataset"]
    assert field.metadata["choices"] == registry.names()
    for name in registry.names():
        assert f"{name}: {registry.entry(name).contents}" in field.metadata["help"]
