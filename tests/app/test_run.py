"""The order of training and reports, and what follows the last step."""

import pytest
import tensorflow as tf

from tests.models.model_table import COMMON, MODELS
from tf_scenes.app.run import Run, stretches
from tf_scenes.models.vae.model import VAE


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (0, 60, [(30, 60)]),
        (0, 75, [(30, 60), (15, 75)]),
        (0, 20, [(20, 20)]),
        (10, 20, [(10, 20)]),
        (10, 60, [(20, 30), (30, 60)]),
        (100, 115, [(15, 115)]),
        (20, 1000, [(10, 30), (30, 990), (10, 1000)]),
        (30, 60, [(30, 60)]),
        (60, 60, []),
    ],
)
def test_reports_are_made_after_multiples_and_the_last_step(first, last, expected):
    parts = stretches(first, last, steps_per_report=30)
    assert parts == expected
    reports, step = [], first
    for steps, end in parts:
        assert (end - step) % steps == 0
        reports += range(step + steps, end + 1, steps)
        step = end
    assert reports == sorted({*(each for each in range(30, last + 1, 30) if each > first), *([last] if parts else [])})


@pytest.mark.slow
@pytest.mark.parametrize(("size", "expected"), [(0, []), (5, [4, 4])])
def test_the_model_is_calibrated_after_the_last_step_on_so_many_images_or_not_at_all(
    make_config, tmp_path, monkeypatch, size, expected
):
    calls = []
    monkeypatch.setattr(VAE, "calibrate", lambda self, images: calls.append([len(batch) for batch in images]))
    flags = ("--train_steps=2", "--steps_per_report=1", "--batch_size=4", f"--calibration_size={size}")
    config = make_config(*COMMON, *MODELS["vae"], *flags, "--report_size=4", f"--run_dir={tmp_path}")
    Run(config, tf.distribute.get_strategy()).train()
    assert calls == ([expected] if expected else [])
