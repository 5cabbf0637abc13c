import errno
import os
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from tests.conftest import WITH_PACKAGE
from tf_scenes.array_files import read_arrays, write_arrays
from tf_scenes.errors import UserError
from tf_scenes.files import in_use, read_json, read_lines, require_writable, write_json, write_text, write_whole


def test_a_report_is_written_whole_or_not_at_all(tmp_path):
    path = str(tmp_path / "new" / "report.json")
    assert read_json(path) == {}
    write_json(path, {"test": {"elbo": -1.5}})
    assert read_json(path) == {"test": {"elbo": -1.5}}
    with pytest.raises(TypeError):
        write_json(path, {"test": object()})
    assert read_json(path) == {"test": {"elbo": -1.5}}
    assert os.listdir(tmp_path / "new") == ["report.json"]


@pytest.mark.parametrize("text", ['{"test": {', "[]", 100_000 * "[", "", "\x00"])
def test_a_damaged_report_is_named(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UserError, match="is damaged"):
        read_json(str(tmp_path / "report.json"))


def test_a_folder_in_the_place_of_a_report_is_named(tmp_path):
    with pytest.raises(UserError, match=f"cannot read {tmp_path}: Is a directory"):
        read_json(str(tmp_path))


def test_a_pipe_in_the_place_of_a_report_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "report.json")
    with pytest.raises(UserError, match=r"cannot read .*report\.json: it is a pipe or a device, and no file"):
        read_json(str(tmp_path / "report.json"))


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path):
    path = str(tmp_path / (251 * "a" + ".txt"))
    write_text(path, "whole")
    assert os.listdir(tmp_path) == [os.path.basename(path)]
    with pytest.raises(OSError, match="too long") as error:
        write_text(f"{path}t", "too long")
    assert error.value.errno == errno.ENAMETOOLONG


def test_what_cannot_be_written_is_named(tmp_path):
    def fill_the_disk(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="space") as error:
        write_whole(str(tmp_path / "notes.txt"), fill_the_disk)
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(tmp_path / "notes.txt"))


def test_a_folder_is_in_use_until_its_process_ends_however_that_is(tmp_path):
    holds = (
        "import sys, time; from tf_scenes.files import in_use\n"
        "with in_use(sys.argv[1], 'run_dir'): print(1, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holds, str(tmp_path / "run")], env=WITH_PACKAGE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"1\n"
    with (
        pytest.raises(UserError, match=r"--run_dir=.*run is in use by another process"),
        in_use(str(tmp_path / "run"), "run_dir"),
    ):
        pass
    process.kill()
    process.communicate()
    for _ in range(2):
        with in_use(str(tmp_path / "run"), "run_dir"):
            pass


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


def _with_header(header):
    """An array's file whose header is any text, as NumPy writes it, with eight bytes of content."""
    text = header.encode() + b" " * (118 - 10 - len(header) - 1) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(8)


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (b"", "cannot read"),
        (b"no array", "cannot read"),
        (b"\x93NUMPY\x09\x00", "cannot read"),
        (
            _with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000000,)}"),
            "not as many bytes",
        ),
        (_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (0,)}"), "not as many bytes"),
        (_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1)}"), "cannot read"),
        (_with_header("{'descr': 'x', 'fortran_order': False, 'shape': (1,)}"), "cannot read"),
        (_with_header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"), "without pickles"),
        (_with_header("__import__('os').getcwd()"), "cannot read"),
    ],
)
def test_an_array_that_is_none_is_refused_without_taking_memory(tmp_path, member, message):
    with zipfile.ZipFile(tmp_path / "odd.npz", "w") as archive:
        archive.writestr("images.npy", member)
        archive.writestr("notes.txt", "not an array")
    with pytest.raises(UserError, match=message) as error:
        read_arrays(str(tmp_path / "odd.npz"), required=("images",))
    assert "odd.npz" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_give_the_arrays_or_one_line(tmp_path, seed):
    random, path = np.random.default_rng(seed), tmp_path / "flipped.npz"
    values = random.integers(0, 255, (5, 6, 7), np.uint8)
    (np.savez_compressed if seed % 2 else np.savez)(path, images=values)
    content = bytearray(path.read_bytes())
    for place in random.integers(0, len(content), 3):
        content[place] ^= 1 << random.integers(8)
    path.write_bytes(content[: len(content) - (seed % 5 == 0) * random.integers(1, len(content))])
    try:
        read = read_arrays(str(path), required=("images",))["images"]
    except UserError as error:
        assert "flipped.npz" in str(error) and "\n" not in str(error)
    else:
        np.testing.assert_array_equal(read, values)  # Checksums do not let a change through.


def test_an_encrypted_archive_is_refused(tmp_path):
    np.savez(tmp_path / "secret.npz", images=np.zeros(3))
    content = bytearray((tmp_path / "secret.npz").read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    (tmp_path / "secret.npz").write_bytes(content)
    with pytest.raises(UserError, match="encrypted"):
        read_arrays(str(tmp_path / "secret.npz"), required=("images",))


def test_arrays_in_columns_come_back_as_they_were(tmp_path):
    values = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    np.savez(tmp_path / "columns.npz", images=values)
    np.testing.assert_array_equal(read_arrays(str(tmp_path / "columns.npz"), ("images",))["images"], values)


def test_lines_that_say_something_are_read_with_their_place(tmp_path):
    path = tmp_path / "edits.txt"
    path.write_text("# a comment\n\nmove 0  1 2 # there\n   \nreset\n")
    assert read_lines(str(path), "edit_path") == [
        (f"line 3 of {path}", ["move", "0", "1", "2"]),
        (f"line 5 of {path}", ["reset"]),
    ]
    with pytest.raises(UserError, match=r"--edit_path=.*none\.txt"):
        read_lines(str(tmp_path / "none.txt"), "edit_path")


@pytest.mark.parametrize("tries", [True, False])
def test_where_files_can_be_written_is_found_without_a_trace(tmp_path, tries):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path, tmp_path / "new" / "in" / "new"):
        require_writable(str(folder), "run_dir", tries)
    for folder in (tmp_path / "file", tmp_path / "file" / "in" / "it"):
        with pytest.raises(UserError, match=r"--run_dir=.*file.* cannot be written to \(.*\): a folder, or the name"):
            require_writable(str(folder), "run_dir", tries)
    assert os.listdir(tmp_path) == ["file"] and (tmp_path / "file").read_text() == "mine"
