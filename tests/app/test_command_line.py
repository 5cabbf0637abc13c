"""What ends a command, whatever it is, is one line."""

import errno
import logging
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT, WITH_PACKAGE
from tf_scenes.app import command_line
from tf_scenes.app.run_folder import check_places
from tf_scenes.errors import UserError


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UserError("--seed=x must be a number"), "Error: --seed=x must be a number", ""),
        (OSError(errno.ENOSPC, "No space left on device", "a.png"), "Error: No space left on device: a.png", ""),
        (OSError(errno.EACCES, "Permission denied"), "Error: Permission denied", ""),
        (OSError("odd"), "Error: odd", ""),
        (KeyboardInterrupt(), 130, "\nInterrupted.\n"),
        (KeyboardInterrupt("do this"), 130, "\nInterrupted: do this.\n"),
    ],
)
def test_an_end_before_the_end_is_one_line_and_a_status(monkeypatch, capsys, error, status, line):
    def main(arguments):
        raise error

    monkeypatch.setattr(command_line, "main", main)
    monkeypatch.setattr(logging, "disable", lambda: None)  # It would hold for all tests to come.
    with pytest.raises(SystemExit) as ended:
        command_line._run([])
    assert ended.value.code == status  # A text is printed, with status 1.
    assert capsys.readouterr().err == line


_CONVERTING = """
import os, signal, time
from tf_scenes.app.endings import one_line_errors

signal.signal(signal.SIGINT, signal.default_int_handler)
with one_line_errors(), one_line_errors():
    try:
        if {interrupted}:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
    except KeyboardInterrupt:
        pass
    raise SystemError("a function from C returned a result with an exception set")
"""


@pytest.mark.parametrize(("interrupted", "status"), [(True, 130), (False, 1)])
def test_ctrl_c_of_which_a_library_made_another_exception_is_still_ctrl_c(interrupted, status):
    code = _CONVERTING.format(interrupted=interrupted)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=WITH_PACKAGE, check=False)
    assert done.returncode == status
    assert (done.stderr == "\nInterrupted.\n") == interrupted
    assert ("SystemError: a function" in done.stderr) != interrupted


_HALF_RESTORED = """
import sys
import tensorflow as tf
from tf_scenes.app.endings import one_line_errors

path = tf.train.Checkpoint(kept=tf.Variable(1.0), lost=tf.Variable(2.0)).save(sys.argv[1])
with one_line_errors():
    status = tf.train.Checkpoint(kept=tf.Variable(0.0)).restore(path)
    raise KeyboardInterrupt
"""


def test_nothing_is_said_after_ctrl_c_while_a_checkpoint_is_restored(tmp_path):
    command = [sys.executable, "-c", _HALF_RESTORED, str(tmp_path / "checkpoint")]
    done = subprocess.run(command, capture_output=True, text=True, env=WITH_PACKAGE, check=False)
    assert done.returncode == 130
    assert done.stderr.endswith("\nInterrupted.\n")


@pytest.mark.parametrize(
    ("streams", "status", "said"),
    [
        ("", 1, "Error: cannot read --flagfile=\\udcff.cfg: No such file"),  # A name that is no text in UTF-8.
        (">&-", 1, "Error: "),
        (">&- 2>&-", 1, ""),
    ],
)
def test_names_that_are_no_text_and_streams_that_are_closed(tmp_path, streams, status, said):
    main = os.path.join(ROOT, "main.py")
    done = subprocess.run(
        ["/bin/sh", "-c", f"'{sys.executable}' '{main}' --flagfile=\"$(printf '\\377')\".cfg {streams}"],
        capture_output=True,
        cwd=tmp_path,
        env={**WITH_PACKAGE, "PYTHONIOENCODING": "utf-8:strict"},
        check=False,
    )
    assert done.returncode == status and b"Traceback" not in done.stderr
    assert said.encode() in done.stderr and done.stderr.count(b"\n") == bool(said)


@pytest.mark.parametrize("name", ['a"b', "<b>a|b", "a b", "é"])
def test_a_name_that_a_server_could_not_use_is_refused_before_training(make_config, tmp_path, name):
    config = make_config(f"--export_dir={tmp_path / name}", f"--run_dir={tmp_path / 'run'}")
    with pytest.raises(UserError, match="must end in a name of letters from A to Z, digits"):
        check_places(config)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("flags", "wrong"),
    [
        (("--run_dir=file",), "run_dir=file"),
        (("--run_dir=file/in/it",), "run_dir=file/in/it"),
        (("--run_dir=/proc/new",), "run_dir=/proc/new"),
        (("--run_dir=" + 300 * "a",), "run_dir=" + 300 * "a"),
        (("--export_dir=file",), "export_dir=file"),
        (("--mode=export", "--export_dir=file", "--run_dir=file"), "export_dir=file"),
        (("--mode=evaluate", "--export_dir=file"), None),
        (("--mode=compare", "--compare_runs=a", "--run_dir=file"), "run_dir=file"),
        (("--mode=predict", "--predict_images=a", "--predict_models=b", "--predict_dir=file"), "predict_dir=file"),
        (("--mode=predict", "--predict_images=a", "--run_dir=file"), "run_dir=file/predictions"),
        (("--run_dir=new/in/new", "--export_dir=kept/new"), None),
    ],
)
def test_where_results_go_is_checked_first_and_left_as_it_was(make_config, tmp_path, monkeypatch, flags, wrong):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "kept").mkdir()
    config = make_config("--export_dir=exported", *flags)
    if wrong is None:
        check_places(config)
    else:
        with pytest.raises(UserError, match=f"--{wrong} cannot be written to"):
            check_places(config)
    assert sorted(os.listdir()) == ["file", "kept"] and not os.listdir("kept")
    assert (tmp_path / "file").read_text() == "mine"
