import math

import pytest

from tf_scenes.data.descriptions import DescribedObject, read_scene
from tf_scenes.errors import UserError

NAMES = {"square": 2, "ellipse": 0}


def _read(tmp_path, text, num_attributes=0):
    path = tmp_path / "scene.txt"
    path.write_text(text)
    return read_scene(str(path), NAMES, 3, num_attributes)


def test_lines_become_objects(tmp_path):
    text = "# a scene\n\nsquare 10 20.5 24 90  # turned\n1 -3 4 8 -45 0.5\n"
    assert _read(tmp_path, text, num_attributes=2) == [
        DescribedObject(2, 10.0, 20.5, 24.0, math.pi / 2, (0.0, 0.0)),
        DescribedObject(1, -3.0, 4.0, 8.0, -math.pi / 4, (0.5, 0.0)),
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
        ("square 1 2 0 4", "size above 0"),
        ("square nan 2 3 4", "finite"),
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
