import types

import numpy as np
import pytest

from tf_scenes.app.drawing import _labels, _require_fitting
from tf_scenes.errors import UserError


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 24, 24, 3), "own.npz holds images with 3 channels: the model takes images with 1"),
        ((2, 7, 24, 1), "own.npz holds images of 7 x 24 pixels: 8 are needed"),
    ],
)
def test_images_that_a_model_does_not_take_are_refused_before_it_sees_them(shape, message):
    grey = types.SimpleNamespace(channels=1)
    _require_fitting(np.zeros((2, 8, 24, 1), np.uint8), grey, "own.npz")
    with pytest.raises(UserError, match=f"--edit_images={message}"):
        _require_fitting(np.zeros(shape, np.uint8), grey, "own.npz")


@pytest.mark.parametrize(
    ("folders", "labels"),
    [
        (["runs/a", "runs/b/"], ["a", "b"]),
        (["a/seed_0", "b/seed_0", "b/seed_1"], ["a/seed_0", "b/seed_0", "b/seed_1"]),
        (["a", "./a"], ["a", "a"]),
        (["x/a/run", "y/a/run"], ["x/a/run", "y/a/run"]),
    ],
)
def test_runs_of_the_same_name_are_told_apart(folders, labels):
    assert _labels(folders) == labels
