import pathlib

import pytest

from tests.conftest import ROOT
from tf_scenes import flagfiles
from tf_scenes.errors import UserError


@pytest.fixture
def folder(tmp_path):
    """A flagfile in a folder of its own, built on one in the folder above."""
    (tmp_path / "common.cfg").write_text("--seed=1\n--batch_size=8\n")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "run.cfg").write_text("--image_size=32\n--flagfile=../common.cfg\n--batch_size=16\n")
    return tmp_path


EXPANDED = ["--image_size=32", "--seed=1", "--batch_size=8", "--batch_size=16"]


def test_a_nested_flagfile_is_relative_to_the_one_that_it_stands_in(folder, monkeypatch):
    (folder / "elsewhere").mkdir()
    for working_folder, path in (
        (folder, "runs/run.cfg"),
        (folder / "runs", "run.cfg"),
        (folder / "elsewhere", "../runs/run.cfg"),
        (folder / "elsewhere", str(folder / "runs" / "run.cfg")),
    ):
        monkeypatch.chdir(working_folder)
        assert flagfiles.expand([f"--flagfile={path}"]) == EXPANDED


def test_an_absolute_path_within_a_flagfile_is_taken_as_it_is(folder):
    (folder / "runs" / "absolute.cfg").write_text(f"--flagfile={folder / 'common.cfg'}\n")
    path = str(folder / "runs" / "absolute.cfg")
    assert flagfiles.expand(["--flagfile", path]) == ["--seed=1", "--batch_size=8"]


@pytest.mark.parametrize("words", [["--flagfile={}"], ["--flagfile", "{}"], ["-flagfile={}"], ["-flagfile", "{}"]])
def test_the_path_may_be_a_word_of_its_own(folder, words):
    arguments = [word.format(folder / "runs" / "run.cfg") for word in words]
    assert flagfiles.expand(["main.py", "--mode=train", *arguments, "--seed=7"]) == [
        *("main.py", "--mode=train"),
        *EXPANDED,
        "--seed=7",
    ]
    (folder / "runs" / "words.cfg").write_text("\n".join(["--flagfile ../common.cfg".replace(" ", "\n"), "--seed=5"]))
    words_in_file = [f"--flagfile={folder / 'runs' / 'words.cfg'}"]
    assert flagfiles.expand(words_in_file) == ["--seed=1", "--batch_size=8", "--seed=5"]


def test_a_flagfile_that_is_not_there_is_told_from_one_that_is_meant(folder):
    for path in ("configs/smok.cfg", folder / "smoke_.cfg"):
        with pytest.raises(
            UserError, match=r"cannot read --flagfile=.*: No such file or directory; did you mean smoke"
        ):
            flagfiles.expand([f"--flagfile={path}"])
    with pytest.raises(UserError, match=r"No such file or directory; did you mean run\.cfg"):
        flagfiles.expand([f"--flagfile={folder / 'runs' / 'rum.cfg'}"])
    with pytest.raises(UserError, match=r"No such file or directory$"):
        flagfiles.expand([f"--flagfile={folder / 'q_q_q.cfg'}"])


def test_of_a_flag_given_twice_the_last_one_counts(folder, make_config):
    path = f"--flagfile={folder / 'runs' / 'run.cfg'}"
    alone, after, before = make_config(path), make_config(path, "--batch_size=4"), make_config("--batch_size=4", path)
    assert [config.training.batch_size for config in (alone, after, before)] == [16, 4, 16]
    assert alone.job.seed == 1 and alone.data.image_size == 32
    assert alone.job.run_dir == "runs/run"  # By the name of the outer file.


def test_comments_and_empty_lines_say_nothing(folder):
    (folder / "noted.cfg").write_text(
        "# A comment.\n\n// Another one.\n   # and one further in\n  --seed=3  \n\n--mnist_path=a#b\n"
    )
    assert flagfiles.expand([f"--flagfile={folder / 'noted.cfg'}"]) == ["--seed=3", "--mnist_path=a#b"]


def test_a_mark_of_the_byte_order_before_the_text_is_no_part_of_it(folder):
    (folder / "marked.cfg").write_bytes("\N{BYTE ORDER MARK}--seed=3\r\n".encode())
    assert flagfiles.expand([f"--flagfile={folder / 'marked.cfg'}"]) == ["--seed=3"]


def test_what_comes_after_two_dashes_is_left_alone():
    assert flagfiles.expand(["--seed=1", "--", "--flagfile=none.cfg"]) == ["--seed=1", "--", "--flagfile=none.cfg"]


def test_two_flagfiles_may_build_on_the_same_one(folder):
    for name in ("a", "b"):
        (folder / f"{name}.cfg").write_text("--flagfile=common.cfg\n")
    (folder / "both.cfg").write_text("--flagfile=a.cfg\n--flagfile=b.cfg\n")
    assert flagfiles.expand([f"--flagfile={folder / 'both.cfg'}"]) == ["--seed=1", "--batch_size=8"] * 2


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({"run.cfg": "--flagfile=none.cfg"}, r"--flagfile=.*none\.cfg"),
        ({"run.cfg": "--flagfile=folder.cfg", "folder.cfg/x": ""}, r"--flagfile=.*folder\.cfg"),
        ({"run.cfg": b"\xff\xfe\x00"}, r"--flagfile=.*run\.cfg"),
        ({"run.cfg": "--flagfile="}, "--flagfile="),
        ({"run.cfg": "--seed=1\n--flagfile"}, "--flagfile="),
        ({"run.cfg": "--flagfile=run.cfg"}, r"--flagfile=.*run\.cfg includes itself"),
        ({"run.cfg": "--flagfile=b.cfg", "b.cfg": "--flagfile=./run.cfg"}, r"--flagfile=.*run\.cfg includes itself"),
    ],
)
def test_what_cannot_be_read_or_never_ends_is_one_clear_line(tmp_path, contents, message):
    for name, text in contents.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=message) as error:
        flagfiles.expand([f"--flagfile={tmp_path / 'run.cfg'}"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("path", sorted(pathlib.Path(ROOT, "configs").glob("*.cfg")), ids=lambda path: path.name)
def test_every_flagfile_of_ours_works_from_any_folder(path, make_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert make_config(f"--flagfile={path}").job.run_dir == f"runs/{path.stem}"
