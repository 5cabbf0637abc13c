import os

import numpy as np
import pytest

from tf_scenes.array_files import read_arrays, write_arrays
from tf_scenes.errors import UserError
from tf_scenes.files import read_json, read_lines, write_json, write_text, write_whole


def test_a_report_is_written_whole_or_not_at_all(tmp_path):
    path = str(tmp_path / "new" / "report.json")
    assert read_json(path) == {}
    write_json(path, {"test": {"elbo": -1.5}})
    assert read_json(path) == {"test": {"elbo": -1.5}}
    with pytest.raises(TypeError):
        write_json(path, {"test": object()})
    assert read_json(path) == {"test": {"elbo": -1.5}}
    assert os.listdir(tmp_path / "new") == ["report.json"]


@pytest.mark.parametrize("text", ['{"test": {', "[]"])
def test_a_damaged_report_is_named(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UserError, match="is damaged"):
        read_json(str(tmp_path / "report.json"))


def test_a_file_stays_as_it_was_when_its_writer_fails(tmp_path):
    path = str(tmp_path / "new" / "notes.txt")
    write_text(path, "old, and längst done")

    def fail_halfway(file):
        file.write(b"half")
        file.flush()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, fail_halfway)
    with open(path, encoding="utf-8") as file:
        assert file.read() == "old, and längst done"
    write_whole(path, lambda file: file.write(b"new"))  # What was left behind is in nobody's way.
    with open(path, "rb") as file:
        assert file.read() == b"new"
    assert os.listdir(tmp_path / "new") == ["notes.txt"]


def test_a_file_that_was_not_there_is_not_there_when_its_writer_fails(tmp_path):
    def fail(file):
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_whole(str(tmp_path / "notes.txt"), fail)
    assert not (tmp_path / "notes.txt").exists()


def test_arrays_come_back_as_they_were(tmp_path):
    path = str(tmp_path / "new" / "arrays.npz")
    arrays = {"images": np.arange(6, dtype=np.uint8).reshape(1, 2, 3), "words": np.array(["one", "other"])}
    write_arrays(path, arrays)
    assert os.listdir(tmp_path / "new") == ["arrays.npz"]
    read = read_arrays(path, required=("images",), optional=("words", "counts"))
    assert read.keys() == arrays.keys()
    for name, values in arrays.items():
        np.testing.assert_array_equal(read[name], values)
        assert read[name].dtype == values.dtype
    with pytest.raises(UserError, match=r"no array 'counts'.*images, words"):
        read_arrays(path, required=("counts",))


def test_pickles_and_single_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "pickled.npz", images=np.array([{"a": 1}], dtype=object))
    np.save(tmp_path / "single.npy", np.zeros(3))
    for name, message in (("pickled.npz", "pickles"), ("single.npy", ".npz"), ("none.npz", "does not exist")):
        with pytest.raises(UserError, match=message) as error:
            read_arrays(str(tmp_path / name), required=("images",))
        assert name in str(error.value) and "\n" not in str(error.value)


def test_lines_that_say_something_are_read_with_their_place(tmp_path):
    path = tmp_path / "edits.txt"
    path.write_text("# a comment\n\nmove 0  1 2 # there\n   \nreset\n")
    assert read_lines(str(path), "edit_path") == [
        (f"line 3 of {path}", ["move", "0", "1", "2"]),
        (f"line 5 of {path}", ["reset"]),
    ]
    with pytest.raises(UserError, match=r"--edit_path=.*none\.txt"):
        read_lines(str(tmp_path / "none.txt"), "edit_path")
