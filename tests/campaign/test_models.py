"""Damaged exports and checkpoints: each is loaded, or refused in one line that names it."""

import shutil

import hypothesis
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from tests.campaign.answers import CAMPAIGN, answer, damaged
from tests.models.model_table import COMMON, MODELS
from tf_scenes.app.build import build_model
from tf_scenes.serving.export import export
from tf_scenes.serving.exported import ExportedModel
from tf_scenes.serving.signatures import Limits
from tf_scenes.training.checkpoints import make_manager, restore_newest

SHAPE = (24, 24, 1)


@pytest.fixture(scope="module")
def model(make_config):
    return build_model(make_config(*COMMON, *MODELS["vae"]), SHAPE)


def _damaged_file(folder):
    """A file in a folder, and damaged contents of it."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]
    return st.sampled_from(files).flatmap(lambda path: st.tuples(st.just(path), damaged(path.read_bytes())))


def _load_damaged(whole, copy, load):
    """Loads copies of a folder with one damaged file each: what is said of a copy is one line that names it."""

    @hypothesis.settings(CAMPAIGN, max_examples=60)
    @hypothesis.given(_damaged_file(whole))
    def check(change):
        path, content = change
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(whole, copy)
        (copy / path.relative_to(whole)).write_bytes(content)
        said = answer(load, str(copy))
        assert said is None or (str(copy) in said and "\n" not in said)

    check()


@pytest.mark.campaign
def test_damaged_exports(model, tmp_path):
    export(model, SHAPE, str(tmp_path / "whole"), Limits(max_objects=3, largest_side=64), keep_versions=1)
    _load_damaged(tmp_path / "whole", tmp_path / "copy", ExportedModel)


@pytest.mark.campaign
def test_damaged_checkpoints(model, tmp_path):
    checkpoint = tf.train.Checkpoint(model=model)
    make_manager(checkpoint, str(tmp_path / "whole"), keep=2).save(checkpoint_number=1)
    _load_damaged(tmp_path / "whole", tmp_path / "copy", lambda folder: restore_newest(checkpoint, folder))
