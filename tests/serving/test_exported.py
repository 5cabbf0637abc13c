"""Exported models as they are loaded: two halves of one model, and what they refuse in one line."""

import os
import types

import numpy as np
import pytest
from scipy import stats

from tests.conftest import ROOT
from tests.models.model_table import COMMON, MODELS
from tf_scenes.app.build import build_model
from tf_scenes.errors import UserError
from tf_scenes.serving import export as export_module
from tf_scenes.serving.export import export
from tf_scenes.serving.exported import ExportedModel
from tf_scenes.serving.signatures import Limits
from tf_scenes.stack import keras

SHAPE = (24, 24, 1)


@pytest.fixture(scope="module")
def exports(make_config, tmp_path_factory):
    """Folders of two exports of the same kind of model, with other weights."""
    folder = tmp_path_factory.mktemp("exports")
    for name, seed in (("one", 0), ("other", 1)):
        keras.utils.set_random_seed(seed)
        model = build_model(make_config(*COMMON, *MODELS["vae"]), SHAPE)
        export(model, SHAPE, str(folder / name), Limits(max_objects=3, largest_side=64), keep_versions=1)
    return folder


def _joined(folder, encoder, decoder):
    """The folder of an exported model that consists of two others' halves."""
    for part, half in (("encoder", encoder), ("decoder", decoder)):
        (folder / part).symlink_to(half)
    return str(folder)


def test_two_halves_of_one_model_are_loaded(exports, tmp_path):
    model = ExportedModel(_joined(tmp_path, exports / "one" / "encoder", exports / "one" / "decoder"))
    images = np.zeros((2, 24, 32, 1), np.float32)
    assert model.decode(model.encode(images), 24, 32).shape == images.shape


def test_the_decoder_of_another_model_is_refused(exports, tmp_path):
    with pytest.raises(UserError, match="the encoder of one model and the decoder of another one"):
        ExportedModel(_joined(tmp_path, exports / "one" / "encoder", exports / "other" / "decoder"))


def test_so_it_is_where_exports_do_not_say_what_they_are_of_but_differ_in_their_fields(tmp_path):
    saved = os.path.join(ROOT, "saved_models")
    with pytest.raises(UserError, match="the encoder of one model and the decoder of another one"):
        ExportedModel(_joined(tmp_path, os.path.join(saved, "lavae", "encoder"), os.path.join(saved, "vae", "decoder")))


def test_halves_in_each_other_s_place_are_refused(exports, tmp_path):
    with pytest.raises(UserError, match="does not hold an encoder in encoder/ and a decoder in decoder/"):
        ExportedModel(_joined(tmp_path, exports / "one" / "decoder", exports / "one" / "encoder"))


@pytest.mark.parametrize("kept", [0, 100, 5_000])
def test_a_truncated_model_is_one_line(exports, tmp_path, kept):
    half = tmp_path / "half" / "1"
    half.mkdir(parents=True)
    (half / "saved_model.pb").write_bytes((exports / "one" / "encoder" / "1" / "saved_model.pb").read_bytes()[:kept])
    (tmp_path / "model").mkdir()
    with pytest.raises(UserError, match="cannot be loaded as a SavedModel") as error:
        ExportedModel(_joined(tmp_path / "model", tmp_path / "half", exports / "one" / "decoder"))
    assert "\n" not in str(error.value)


def test_pictures_that_are_too_large_are_refused_by_both_halves(exports):
    model = ExportedModel(str(exports / "one"))
    with pytest.raises(UserError, match="the exported encoder refuses it: input images must have a height and width"):
        model.encode(np.zeros((1, 65, 24, 1), np.float32))
    scene = model.encode(np.zeros((1, 24, 24, 1), np.float32))
    with pytest.raises(UserError, match="the exported decoder refuses it: input image_size must be from 8 to 64"):
        model.decode(scene, 24, 65)


@pytest.mark.slow
def test_appearances_are_drawn_from_the_prior_each_time_anew(make_config, tmp_path):
    keras.utils.set_random_seed(0)
    model = build_model(make_config(*COMMON, *MODELS["lavae"]), SHAPE)
    export(model, SHAPE, str(tmp_path), Limits(max_objects=3, largest_side=64), keep_versions=1)
    exported = ExportedModel(str(tmp_path))
    drawn, others = exported.sample_appearances(300), exported.sample_appearances(300)
    assert set(drawn) == {"appearance"} and drawn["appearance"].shape == (300, 4)
    assert stats.kstest(drawn["appearance"].ravel(), "norm").pvalue > 1e-3
    assert not np.array_equal(drawn["appearance"], others["appearance"])


def test_an_export_from_before_decoders_drew_scenes_says_what_to_do(exports, monkeypatch):
    model = ExportedModel(str(exports / "one"))
    older = {name: value for name, value in model._decoder.signatures.items() if name != "sampled"}
    monkeypatch.setattr(model, "_decoder", types.SimpleNamespace(signatures=older))
    with pytest.raises(UserError, match=r"without the decoder's signature 'sampled', .* export it again"):
        model.sample_appearances(1)


def test_nothing_is_left_of_an_export_that_fails(exports, make_config, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(export_module, "write_json", full)
    model = build_model(make_config(*COMMON, *MODELS["vae"]), SHAPE)
    with pytest.raises(OSError, match="No space left"):
        export(model, SHAPE, str(tmp_path), Limits(max_objects=3, largest_side=64), keep_versions=1)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
