"""Predictions by every model that finds objects, trained and exported."""

import csv
import os
import types

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.conftest import ROOT
from tests.models.model_table import COMMON, FINDS_MUCH, LARGE, MODELS, example_images, example_pictures
from tf_scenes.app.build import build_model
from tf_scenes.errors import UserError
from tf_scenes.prediction.inputs import find_inputs
from tf_scenes.prediction.predict import predict
from tf_scenes.prediction.results import Results
from tf_scenes.prediction.segmenters import TrainedSegmenter
from tf_scenes.serving.export import export
from tf_scenes.serving.exported import ExportedModel
from tf_scenes.serving.signatures import Limits
from tf_scenes.stack import keras

pytestmark = pytest.mark.slow_for("air", *LARGE)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures of two sizes, two black with white squares and two grey ones."""
    folder = tmp_path_factory.mktemp("pictures")
    images = np.concatenate([example_images(3)[1:], example_pictures(3)[1:]])
    for number, image in enumerate(np.round(255 * images).astype(np.uint8)[..., 0]):
        Image.fromarray(image if number else np.pad(image, [(3, 4), (0, 9)])).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module", params=["lavae", "lavae_pictures", "air", "discrete_air"])
def segmenters(request, make_config, tmp_path_factory):
    """A model and its export. It finds objects though it is not trained: all above a low threshold, at any cost."""
    keras.utils.set_random_seed(0)
    flags = (*COMMON, *MODELS[request.param], *FINDS_MUCH)
    model = build_model(make_config(*flags), (24, 24, 1))
    folder = str(tmp_path_factory.mktemp("saved"))
    export(model, (24, 24, 1), folder, Limits(max_objects=5, largest_side=64), keep_versions=1)
    return {"trained": TrainedSegmenter(model, 1), "exported": ExportedModel(folder)}


def _table(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    return rows[0], [row[0] for row in rows[1:]], np.array([row[1:] for row in rows[1:]], float)


@pytest.mark.parametrize("scale", [1.0, 0.75])
def test_trained_and_exported_models_give_the_same(segmenters, pictures, tmp_path, scale):
    for folder, segmenter in segmenters.items():
        results = Results(str(tmp_path / folder), {})
        assert predict(segmenter, find_inputs(str(pictures), str(tmp_path)), scale, results) == []
        assert results.num_images == 4 and results.num_objects > 4
    for table in ("counts.csv", "objects.csv"):
        (columns, files, values), (*names, others) = (_table(tmp_path / folder / table) for folder in segmenters)
        assert [columns, files] == names
        np.testing.assert_allclose(values, others, rtol=1e-3, atol=1e-3)
    for path in (tmp_path / "trained").rglob("masks/*.png"):
        mask, other = (np.asarray(Image.open(tmp_path / folder / "masks" / path.name)) for folder in segmenters)
        np.testing.assert_array_equal(mask, other)
        assert mask.shape == np.asarray(Image.open(pictures / path.name)).shape


def test_a_picture_that_a_model_refuses_is_a_user_s_mistake(segmenters):
    for segmenter in segmenters.values():
        with pytest.raises(UserError, match=r"height and width of .*8 "):
            segmenter.segment(np.zeros((1, 7, 30, 1), np.float32))
    with pytest.raises(UserError, match=r"height and width of 8 to 64 pixels$"):
        segmenters["exported"].segment(np.zeros((1, 65, 30, 1), np.float32))


def test_an_exported_model_without_masks_is_told_from_one_without_objects(monkeypatch):
    folders = {name: os.path.join(ROOT, "saved_models", name) for name in ("lavae", "vae")}
    with pytest.raises(UserError, match="vae holds a model that does not find objects"):
        ExportedModel(folders["vae"]).require_masks()
    load = tf.saved_model.load

    def load_older(path):
        signatures = load(path).signatures
        return types.SimpleNamespace(signatures={name: signatures[name] for name in signatures if "seg" not in name})

    monkeypatch.setattr(tf.saved_model, "load", load_older)
    with pytest.raises(UserError, match=r"lavae was exported without the signature 'segmented'.*: export it again"):
        ExportedModel(folders["lavae"]).require_masks()
