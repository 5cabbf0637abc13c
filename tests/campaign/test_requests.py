"""Requests to exported models: each is answered as it should be, or refused by the name of the input."""

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from PIL import Image

from tests.campaign.answers import CAMPAIGN, damaged
from tests.campaign.test_files import _saved
from tests.models.model_table import COMMON, MODELS, examples_for
from tf_scenes.app.build import build_model
from tf_scenes.serving.signatures import Limits, decoder_signatures, encoder_signatures

SHAPE, SLOTS, LIMIT = (24, 24, 1), 3, 64
ODD = (np.nan, np.inf, -np.inf, -1.0, 0.0, 0.5, 1.0, 2.0, 1e30, -1e30, 1e38, 3.4e38, -3.4e38, 1e6, -1e6)
KINDS = ("lavae", "discrete_air")


@pytest.fixture(scope="module", params=KINDS)
def served(request, make_config):
    """The signatures of a small model's encoder and decoder, and scenes that its encoder found."""
    model = build_model(make_config(*COMMON, *MODELS[request.param]), SHAPE)
    limits = Limits(max_objects=SLOTS, largest_side=LIMIT)
    encoder = encoder_signatures(model, SHAPE[-1], limits)
    decoder = decoder_signatures(model, encoder, SHAPE, limits)
    scenes = encoder["serving_default"](tf.constant(examples_for(request.param)[:4]))
    names = decoder["serving_default"].structured_input_signature[1]
    return encoder, decoder, {name: scenes[name].numpy() for name in names}


def _answered(call, names):
    """The outputs of a call; None if it is refused, in words that name one of its inputs."""
    try:
        return {name: value.numpy() for name, value in call().items()}
    except tf.errors.InvalidArgumentError as error:
        assert any(f"input {name} must" in error.message or f"{name}_must_be" in error.message for name in names)
        return None


def _assert_described(outputs, count):
    for name, values in outputs.items():
        assert len(values) == count, name
        assert np.isfinite(values).all(), name
    assert set(np.unique(outputs["presence"])) <= {0.0, 1.0}
    assert (outputs["num_objects"] == outputs["presence"].sum(axis=1)).all()


sides = st.integers(0, LIMIT + 3)


@pytest.mark.campaign
@hypothesis.settings(CAMPAIGN, max_examples=60)
@hypothesis.given(
    st.integers(0, 2), sides, sides, st.lists(st.tuples(st.floats(0, 1), st.sampled_from(ODD)), max_size=3)
)
def test_images_of_any_size_and_values(served, batch, height, width, changes):
    images = np.full((batch, height, width, 1), 0.25, np.float32)
    for place, value in changes:
        if images.size:
            images.reshape(-1)[int(place * (images.size - 1))] = value
    outputs = _answered(lambda: served[0]["serving_default"](tf.constant(images)), ["images"])
    fits = batch and min(height, width) >= 8 and max(height, width) <= LIMIT
    assert (outputs is not None) == bool(fits and ((images >= 0) & (images <= 1)).all())
    if outputs:
        _assert_described(outputs, batch)


def _pictures():
    random = np.random.RandomState(0)
    files = [
        _saved(random.randint(0, 256, (16, 20, 3)).astype(np.uint8), kind) for kind in ("PNG", "JPEG", "BMP", "GIF")
    ]
    with_alpha = Image.fromarray(random.randint(0, 256, (16, 20, 4)).astype(np.uint8), "RGBA")
    return [*files, _saved(np.asarray(with_alpha), "PNG")]


@pytest.mark.campaign
@hypothesis.settings(CAMPAIGN, max_examples=150)
@hypothesis.given(st.lists(st.one_of(*(st.one_of(st.just(file), damaged(file)) for file in _pictures())), max_size=2))
def test_any_files(served, files):
    outputs = _answered(lambda: served[0]["encoded"](tf.constant(files, tf.string)), ["image_bytes"])
    if outputs is not None:
        _assert_described(outputs, len(files))


@pytest.mark.campaign
@hypothesis.settings(CAMPAIGN, max_examples=100)
@hypothesis.given(st.data())
def test_scenes_of_any_values(served, data):
    _, decoder, scenes = served
    changed = dict(scenes)
    for name in data.draw(st.lists(st.sampled_from(sorted(scenes)), max_size=2, unique=True)):
        values = scenes[name].copy()
        odd = (-1, 0, 1, 2, 99, 2**31 - 1, -(2**31)) if values.dtype == np.int32 else ODD
        values.reshape(-1)[data.draw(st.integers(0, values.size - 1))] = data.draw(st.sampled_from(odd))
        changed[name] = values[: data.draw(st.sampled_from((0, 2, 4, 4, 4)))]
    inputs = {name: tf.constant(values) for name, values in changed.items()}
    outputs = _answered(lambda: decoder["serving_default"](**inputs), scenes)
    if outputs is not None:
        images = outputs["images"]
        assert images.shape[1:] == SHAPE and ((images >= 0) & (images <= 1)).all()
