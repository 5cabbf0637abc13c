"""What does not fit, and what runs out."""

import os

import pytest
import tensorflow as tf

from tf_scenes.app.resources import require_memory, shortage_as_user_error, weights_within_memory
from tf_scenes.errors import UserError
from tf_scenes.stack import keras


def test_what_would_fit_is_accepted_and_what_never_would_is_not(monkeypatch):
    there = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1_000}
    monkeypatch.setattr(os, "sysconf", there.__getitem__)
    # 4,096,000 bytes; each of 32 x 32 x 1 values takes 12.
    require_memory(333, (32, 32, 1), "--batch_size=333 images")
    with pytest.raises(UserError, match=r"--batch_size=334 images of 32 x 32 pixels need more than 0\.0 GB of memory"):
        require_memory(334, (32, 32, 1), "--batch_size=334 images")


def test_networks_that_would_never_fit_are_refused_before_they_are_made(monkeypatch):
    def network():
        with weights_within_memory():
            keras.Sequential([keras.layers.Dense(9), keras.layers.Dense(3)]).build((None, 5))

    # 12 bytes for each weight: itself, and what Adam keeps of it.
    there = {"SC_PAGE_SIZE": 12, "SC_PHYS_PAGES": 5 * 9 + 9 + 9 * 3 + 3}
    monkeypatch.setattr(os, "sysconf", there.__getitem__)
    network()
    there["SC_PHYS_PAGES"] -= 1
    with pytest.raises(UserError, match=r"^the networks' weights .* need more than 0\.0 GB .* choose fewer units"):
        network()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "there is not enough memory: choose a lower --batch_size"),
        (
            tf.errors.ResourceExhaustedError(None, None, "{{node a/b}} OOM when allocating tensor\nmore"),
            "there is not enough memory: .*: OOM when allocating tensor$",
        ),
        (
            tf.errors.ResourceExhaustedError(None, None, "{{function_node f}} runs/a; No space left on device"),
            "^runs/a; No space left on device$",
        ),
        (tf.errors.PermissionDeniedError(None, None, "runs/a; Permission denied"), "^runs/a; Permission denied$"),
    ],
)
def test_what_runs_out_is_one_line(error, line):
    with pytest.raises(UserError, match=line) as raised, shortage_as_user_error():
        raise error
    assert "\n" not in str(raised.value)


def test_other_errors_are_left_as_they_are():
    with pytest.raises(ZeroDivisionError), shortage_as_user_error():
        1 / 0  # noqa: B018
