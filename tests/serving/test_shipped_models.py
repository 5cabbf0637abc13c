"""The trained models in saved_models/."""

import os

from tests.conftest import ROOT
from tf_scenes.serving.versions import PARTS

FOLDER = os.path.join(ROOT, "saved_models")


def _names():
    return sorted(name for name in os.listdir(FOLDER) if os.path.isdir(os.path.join(FOLDER, name)))


def _text(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return file.read()


def test_each_is_whole_and_listed_for_readers_and_servers():
    overview, served = _text("README.md"), _text("models.config")
    assert _names()
    for name in _names():
        assert f"[{name}]({name}/README.md)" in overview
        assert {"README.md", "report.json", *PARTS} == set(os.listdir(os.path.join(FOLDER, name)))
        for part in PARTS:
            assert f'"{name}_{part}"' in served
            assert os.listdir(os.path.join(FOLDER, name, part)) == ["1"]
            assert os.path.exists(os.path.join(FOLDER, name, part, "1", "saved_model.pb"))
    assert served.count("config {") == 2 * len(_names())


def test_together_they_are_small_enough_for_a_repository():
    sizes = [os.path.getsize(os.path.join(path, file)) for path, _, files in os.walk(FOLDER) for file in files]
    assert sum(sizes) <= 24 * 2**20
