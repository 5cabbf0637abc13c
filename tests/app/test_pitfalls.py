"""Hints before training."""

import pytest

from tf_scenes.app import pitfalls


@pytest.mark.parametrize(
    ("features", "model", "precision", "hinted"),
    [
        ({"avx2", "avx512_bf16"}, "lavae", "float32", True),
        ({"avx2", "amx_bf16"}, "vae", "float32", True),
        ({"avx2"}, "lavae", "float32", False),
        ({"avx512_bf16"}, "lavae", "mixed_bfloat16", False),
        ({"avx512_bf16"}, "air", "float32", False),  # Most of its operations are not the networks'.
    ],
)
def test_bfloat16_is_hinted_at_where_it_is_faster(make_config, monkeypatch, features, model, precision, hinted):
    monkeypatch.setattr(pitfalls, "processor_features", lambda: frozenset(features))
    hints = pitfalls.hints_before_training(make_config(f"--model={model}", f"--precision={precision}"))
    assert [hint for hint in hints if "--precision=mixed_bfloat16" in hint] == hints and bool(hints) == hinted


def test_features_are_those_of_this_processor():
    features = pitfalls.processor_features()
    assert all(feature.isascii() and " " not in feature for feature in features)
