"""Scenes from the prior, drawn in parts."""

import numpy as np

from tests.models.model_table import COMMON, MODELS
from tf_scenes.app.build import build_model
from tf_scenes.evaluation import samples


def test_many_scenes_are_drawn_in_parts_that_differ(make_config, monkeypatch):
    model = build_model(make_config(*COMMON, *MODELS["lavae"]), (24, 24, 1))
    whole, images = samples.sample_scenes(model, 6, 24, 24, seed=0)
    monkeypatch.setattr(samples, "_MOST_SCENES", 4)
    parts, drawn = samples.sample_scenes(model, 6, 24, 24, seed=0)
    assert drawn.shape == images.shape == (6, 24, 24, 1)
    assert {name: value.shape for name, value in parts.items()} == {name: value.shape for name, value in whole.items()}
    first, rest = parts["locations"][:2], parts["locations"][4:]
    assert not np.array_equal(first, rest)
    description = {name: value[4:] for name, value in parts.items()}
    np.testing.assert_allclose(model.decode(description, 24, 24), drawn[4:], atol=1e-6)
