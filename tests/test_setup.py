"""What make does before it installs anything: which Python it takes, and which folders it leaves alone."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

FIND = os.path.join(ROOT, "tools", "find_python.sh")
# Stand-ins for interpreters, by what they say to a check of their version and to one of venv.
TOO_NEW = 'case "$2" in *version_info*) exit 1;; esac'
COMPLETE = "exit 0"
WITHOUT_VENV = 'case "$2" in *ensurepip*) exit 1;; *print*) echo python3.13-venv;; esac'
SHIM = "exit 127"


def _find(folder, interpreters, *arguments):
    for name, script in interpreters.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    environment = {**os.environ, "PATH": str(folder)}
    return subprocess.run(["/bin/sh", FIND, *arguments], capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize(
    ("interpreters", "chosen"),
    [
        ({"python3": COMPLETE}, "python3"),
        ({"python3.13": COMPLETE, "python3.11": COMPLETE, "python3": COMPLETE}, "python3.11"),
        ({"python3.11": SHIM, "python3.12": COMPLETE}, "python3.12"),
        ({"python3.11": WITHOUT_VENV, "python3.13": COMPLETE}, "python3.13"),
        ({"python3": TOO_NEW, "python": COMPLETE}, "python"),
    ],
)
def test_the_first_python_that_fits_is_chosen(tmp_path, interpreters, chosen):
    found = _find(tmp_path, interpreters)
    assert (found.returncode, found.stdout, found.stderr) == (0, f"{chosen}\n", "")


def test_the_python_that_is_named_is_taken(tmp_path):
    assert _find(tmp_path, {"python3.11": COMPLETE}, sys.executable).stdout == f"{sys.executable}\n"


@pytest.mark.parametrize(
    ("interpreters", "message"),
    [
        ({"python3": TOO_NEW}, "tf_scenes needs Python 3.9 to 3.13, and none of these is one: python3.11 python3.10"),
        (
            {"python3": WITHOUT_VENV},
            "python3 cannot make environments: it lacks venv or ensurepip. Install them (e.g. apt ",
        ),
    ],
)
def test_what_is_missing_is_one_line(tmp_path, interpreters, message):
    found = _find(tmp_path, interpreters)
    assert (found.returncode, found.stdout) == (1, "") and found.stderr.count("\n") == 1
    assert found.stderr.startswith(message) and "make ..." in found.stderr
    assert ("apt install python3.13-venv)" in found.stderr) == (interpreters["python3"] == WITHOUT_VENV)


def test_make_never_clears_a_folder_that_it_did_not_make(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    done = _make(f"VENV={tmp_path}")
    assert f"{tmp_path} was not made by make in this folder, and tf_scenes is not installed in it" in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / ".made_by_make").write_text("/another/clone\n")  # Newer files here are no reason to make it anew.
    assert "was not made by make in this folder" in _make(f"VENV={tmp_path}").stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == [".made_by_make", "mine.txt"]


def test_make_refuses_a_folder_whose_name_it_cannot_handle(tmp_path):
    done = _make(f"VENV={tmp_path}/my environment")
    assert "must be the path of a folder without spaces" in done.stderr and not list(tmp_path.iterdir())


def _make(*arguments):
    done = subprocess.run(["make", "setup", *arguments], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    return done
