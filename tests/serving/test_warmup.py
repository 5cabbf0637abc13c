"""Warm-up requests are for those who have the package that writes them; their content: test_exported_models.py."""

import importlib.util

import pytest

from tf_scenes.errors import UserError
from tf_scenes.serving import warmup


def test_with_the_package_there_are_as_many_as_wanted():
    assert [warmup.number_of_images(wanted) for wanted in (None, 0, 5)] == [2, 0, 5]
    assert [warmup.hint(wanted) for wanted in (None, 0, 5)] == [None] * 3


def test_without_the_package_there_are_none_which_is_said_before_training(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorflow_serving" else found(name))
    assert [warmup.number_of_images(wanted) for wanted in (None, 0)] == [0, 0]
    assert "pip install 'tf_scenes[serving]'" in warmup.hint(None)
    assert warmup.hint(0) is None
    for function in (warmup.number_of_images, warmup.hint):
        with pytest.raises(UserError, match="--warm_up_images=5 needs the package tensorflow-serving-api"):
            function(5)
