import numpy as np
import pytest

from tf_scenes.editing import edit_script, edits
from tf_scenes.errors import UserError


def _read(tmp_path, text):
    path = tmp_path / "edits.txt"
    path.write_text(text)
    return edit_script.read_script(str(path))


def _scenes():
    return {
        "num_objects": np.array([2, 3], np.int32),
        "presence": np.array([[1, 1, 0], [1, 1, 1]], np.float32),
        "locations": np.arange(12, dtype=np.float32).reshape(2, 3, 2),
        "appearance": np.arange(6, dtype=np.float32).reshape(2, 3, 1),
    }


def _sampled(count):
    return {"appearance": np.full((count, 1), 50.0, np.float32)}


def test_lines_are_applied_one_on_top_of_the_other(tmp_path):
    text = (
        "# figure 7\nmove 0 -2 3\ncopy 1 0  # twins\n\nblend 0 1 0.5\nsample 1\nswap 0 1\nadd 5 6 0\nremove 1\nreset\n"
    )
    script = _read(tmp_path, text)
    assert [edit.word for edit in script] == ["move", "copy", "blend", "sample", "swap", "add", "remove", "reset"]
    assert edit_script.most_objects(script) == 2
    after = edit_script.apply_script(script, _scenes(), _sampled)
    expected = edits.move(_scenes(), 0, np.array([-2.0, 3.0]))
    np.testing.assert_array_equal(after[0]["locations"], expected["locations"])
    np.testing.assert_array_equal(after[1]["appearance"][:, :2, 0], [[0, 0], [3, 3]])
    np.testing.assert_array_equal(after[2]["appearance"], after[1]["appearance"])  # Between twins.
    np.testing.assert_array_equal(after[3]["appearance"][:, 1, 0], [50, 50])
    np.testing.assert_array_equal(after[4]["locations"][:, 0], after[3]["locations"][:, 1])
    np.testing.assert_array_equal(after[5]["locations"][:, 3], [[5, 6]] * 2)
    np.testing.assert_array_equal(after[5]["num_objects"], [3, 4])
    np.testing.assert_array_equal(after[6]["presence"], [[1, 0, 0, 1], [1, 0, 1, 1]])
    for name, values in _scenes().items():
        np.testing.assert_array_equal(after[7][name], values)


def test_an_object_that_a_scene_lacks_is_named_with_the_image(tmp_path):
    with pytest.raises(UserError, match="'move 2 1 1' needs an object 2, which image 0 does not have"):
        edit_script.apply_script(_read(tmp_path, "move 2 1 1"), _scenes(), _sampled)
    with pytest.raises(UserError, match="'remove 7' needs an object 7, which image 0"):
        edit_script.apply_script(_read(tmp_path, "remove 7"), _scenes(), _sampled)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no edit"),
        ("swap 0", "line 1 .* has 1 values after 'swap', 2 are needed"),
        ("\nturn 0 1", "line 2 .* begins with 'turn'"),
        ("move a 1 1", "'a' where a number"),
        ("move 0 x 1", "'x' where a number"),
        ("move -1 0 1", "numbered from 0"),
        ("move 0 nan 1", "between -1,000,000 and 1,000,000"),
        ("move 0 1e39 1", "between -1,000,000 and 1,000,000"),
        ("add inf 0 1", "between -1,000,000 and 1,000,000"),
        ("remove 99999999999999999999", "not beyond 9,999"),
    ],
)
def test_bad_lines_are_named(tmp_path, text, message):
    with pytest.raises(UserError, match=message) as error:
        _read(tmp_path, text)
    assert "\n" not in str(error.value)


def test_missing_and_binary_files_are_named(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("none", "binary"):
        with pytest.raises(UserError, match=f"cannot read --edit_path=.*{name}"):
            edit_script.read_script(str(tmp_path / name))
