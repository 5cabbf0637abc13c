import math

import numpy as np
import pytest

from tests.models.discrete_air.flat_sprites import build_flat_model
from tf_scenes.editing.scene_script import ScriptedObject, read_scene, scripted_description
from tf_scenes.errors import UserError
from tf_scenes.evaluation.samples import sample_scenes

NAMES = {"square": 2, "ellipse": 0}
SIZE = 48


def _read(tmp_path, text, num_attributes=0):
    path = tmp_path / "scene.txt"
    path.write_text(text)
    return read_scene(str(path), NAMES, 3, num_attributes)


def test_lines_become_objects(tmp_path):
    text = "# a scene\n\nsquare 10 20.5 24 90  # turned\n1 -3 4 8 -45 0.5\n"
    assert _read(tmp_path, text, num_attributes=2) == [
        ScriptedObject(2, 10.0, 20.5, 24.0, math.pi / 2, (0.0, 0.0)),
        ScriptedObject(1, -3.0, 4.0, 8.0, -math.pi / 4, (0.5, 0.0)),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "describes no object"),
        ("square 1 2 3", "line 1"),
        ("square 1 2 3 4 5", "5 at most"),
        ("circle 1 2 3 4", "allowed are square, ellipse, 0 to 2"),
        ("3 1 2 3 4", "category '3'"),
        ("\nsquare 1 x 3 4", "line 2"),
        ("square 1 2 0 4", "size must be at least 0.01"),
        ("square 1 2 1e-46 4", "size must be at least 0.01"),
        ("square nan 2 3 4", "between -1,000,000 and 1,000,000"),
        ("square 1e39 2 3 4", "between -1,000,000 and 1,000,000"),
        ("1" * 5_000 + " 1 2 3 4", "has the category '1{50}': allowed"),
        ("² 1 2 3 4", "has the category '²'"),
    ],
)
def test_bad_lines_are_named(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        _read(tmp_path, text)


def test_missing_or_binary_files(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        read_scene(str(tmp_path / "none.txt"), NAMES, 3, 0)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot read"):
        read_scene(str(tmp_path / "binary"), NAMES, 3, 0)


def test_a_described_scene_has_each_object_at_its_place_in_its_size_and_angle(make_config):
    model = build_flat_model(make_config)
    objects = [
        ScriptedObject(category=2, x=12.0, y=30.0, size=10.0, angle=0.0, attributes=(0.0,)),
        ScriptedObject(category=0, x=35.0, y=12.0, size=14.0, angle=np.pi / 4, attributes=(2.0,)),
    ]
    example, _ = sample_scenes(model, 1, SIZE, SIZE, seed=0, max_objects=2)
    description = scripted_description(objects, example)
    images = model.decode(description, SIZE, SIZE).numpy()
    np.testing.assert_array_equal(description["num_objects"], [2])
    assert images.shape == (1, SIZE, SIZE, 1)
    y, x = np.mgrid[:SIZE, :SIZE]
    upright = np.maximum(abs(x - 12.0), abs(y - 30.0)) <= 3.5  # Well inside the square, away from its blurred edge.
    diamond = abs(x - 35.0) + abs(y - 12.0) <= 7.5
    np.testing.assert_allclose(images[0, ..., 0][upright], 0.6, atol=1e-3)
    np.testing.assert_allclose(images[0, ..., 0][diamond], 0.3, atol=1e-3)
    beside = (np.maximum(abs(x - 12.0), abs(y - 30.0)) > 7.0) & (abs(x - 35.0) + abs(y - 12.0) > 13.0)
    np.testing.assert_allclose(images[0, ..., 0][beside], 0.0, atol=1e-6)
