"""Options of Beam, and how a pipeline on this machine ends before its end."""

import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip("apache_beam", reason="Apache Beam is missing: pip install 'tf_scenes[beam]'")

from apache_beam.options.pipeline_options import StandardOptions

from tests.conftest import WITH_PACKAGE
from tf_scenes.app.beam_options import parse_beam_options
from tf_scenes.beam import this_machine
from tf_scenes.errors import UserError

_PIPELINE = """
import logging, sys, threading, time
logging.getLogger().addHandler(logging.NullHandler())
import grpc
from tf_scenes.beam.this_machine import ended_at_once
open(sys.argv[1] + "/said", "w").write("what the worker printed\\n")
def lost():
    raise RuntimeError("Worker subprocess exited with return code -9")
def disconnected():
    raise grpc.RpcError
with ended_at_once(130, "interrupted", "lost", sys.argv[1], lambda: print("cleaned up", flush=True)):
    print("ready", flush=True)
    if sys.argv[2] == "lose":
        threading.Thread(target=disconnected).start()
        for _ in range(3):
            threading.Thread(name="run_worker", target=lost).start()
    if sys.argv[2] == "fail elsewhere":
        threading.Thread(target=lost).start()
        time.sleep(0.5)
        sys.exit(7)
    time.sleep(60)
"""


def _run(folder, what):
    command = [sys.executable, "-c", _PIPELINE, str(folder), what]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=WITH_PACKAGE)
    assert process.stdout.readline() == "ready\n"
    if what == "interrupt":
        process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=30)
    return process.returncode, out, said


def test_ctrl_c_ends_it_at_once(tmp_path):
    assert _run(tmp_path, "interrupt") == (130, "cleaned up\n", "interrupted\n")


def test_lost_workers_end_it_once_with_what_they_printed(tmp_path):
    status, out, said = _run(tmp_path, "lose")
    assert (status, out) == (1, "cleaned up\n")
    assert "what the worker printed\n" in said and said.count("lost\n") == 1 and "Traceback" not in said


def test_other_threads_fail_as_they_do(tmp_path):
    status, out, said = _run(tmp_path, "fail elsewhere")
    assert (status, out) == (7, "") and "RuntimeError: Worker subprocess" in said


@pytest.mark.parametrize(
    ("given", "full", "here"),
    [
        ((), None, True),
        (("--runner=direct",), "DirectRunner", True),
        (("--runner=FNAPIRUNNER",), "FnApiRunner", True),
        (("--runner", "dataflow"), "DataflowRunner", False),
        (("--runner=flink",), "FlinkRunner", False),
        (("--runner=my.own.Runner",), "my.own.Runner", False),
    ],
)
def test_runners_have_the_names_that_beam_knows(given, full, here):
    options = parse_beam_options(given)
    assert options.view_as(StandardOptions).runner == full and this_machine.is_meant(options) == here


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--direct_num_workers=2",), "--direct_num_workers=2 needs --direct_running_mode=multi_processing"),
        (("--direct_num_workers=-1",), "--direct_num_workers=-1 must be 1 or more"),
        (("--runner=direct", "--direct_number=2"), "--direct_number is no option of Apache Beam"),
    ],
)
def test_options_that_would_be_ignored_are_refused(given, message):
    with pytest.raises(UserError, match=message):
        parse_beam_options(given)


def test_worker_processes_get_options_and_find_modules_where_this_process_does(tmp_path):
    (tmp_path / "numpy.py").write_text("raise ImportError('of another project')")
    options = parse_beam_options(
        ("--direct_running_mode=multi_processing", "--direct_num_workers=2", "--s3_region_name=x")
    )
    runner = this_machine.runner(options, str(tmp_path / "it's"))
    told = dict(runner._provision_info.provision_info.pipeline_options)
    assert told["beam:option:s3_region_name:v1"] == "x" and told["beam:option:direct_num_workers:v1"] == "2"
    # As Beam starts it, but for its last step.
    command = runner._default_environment.command_string.replace("; main(", "; print(main, ")
    (tmp_path / "it's").mkdir()
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=tmp_path, check=False)
    said = (tmp_path / "it's" / "said").read_text()
    assert done.returncode == 0, said
    assert done.stdout.startswith("<function main") and done.stdout.split()[-1] == str(os.getpid())
