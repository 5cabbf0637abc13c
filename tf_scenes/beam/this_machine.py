"""Pipelines on this machine: which options mean that, and the runner with its worker processes."""

import contextlib
import logging
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Callable

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions, WorkerOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo, FnApiRunner
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.transforms.environments import SubprocessSDKEnvironment

import tf_scenes
from tf_scenes.beam import worker

_RUNNERS = ("fnapirunner", "directrunner", "switchingdirectrunner", "bundlebaseddirectrunner")
_STDERR = 2
# File in which worker processes print, and the name that Beam gives to the thread that waits for such a process.
_SAID, _THREAD_OF_WORKER = "said", "run_worker"


def is_meant(options: PipelineOptions) -> bool:
    """Whether options ask for a pipeline on this machine, as they do without a runner."""
    return (options.view_as(StandardOptions).runner or _RUNNERS[0]).lower() in _RUNNERS


def runner(options: PipelineOptions, folder: str) -> FnApiRunner:
    """The runner for options that ask for this machine.

    `DirectRunner` would look for another one, written in Go, on the internet.

    Args:
        options: Options, in which the mode of processes is replaced by the runner's own processes.
        folder: Folder for what these print, which `ended_at_once` shows if one of them is lost.
    """
    # Beam reports each step of each process as information, what it does without as warnings, and errors twice.
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    options.view_as(WorkerOptions).default_sdk_harness_log_level = "CRITICAL"
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options(drop_default=True))
    told = ExtendedProvisionInfo(beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded))
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode != "multi_processing":
        return FnApiRunner(provision_info=told)
    direct.direct_running_mode = "in_memory"  # Or else Beam would start processes of its own.
    package = os.path.dirname(os.path.dirname(tf_scenes.__file__))
    python, path, said = (shlex.quote(each) for each in (sys.executable, package, os.path.join(folder, _SAID)))
    process = f"PYTHONPATH={path}:$PYTHONPATH exec {python} -m {worker.__name__} 2>>{said}"
    return FnApiRunner(SubprocessSDKEnvironment.from_command_string(process), provision_info=told)


@contextlib.contextmanager
def ended_at_once(
    status: int, interrupted: str, lost: str, folder: str, clean_up: Callable[[], None]
) -> Iterator[None]:
    """Ends this process at once after Ctrl-C, or if a worker process is lost.

    Beam would wait for all workers after Ctrl-C and print how each ended; for one that is lost, it would wait forever.

    Args:
        status: Exit status after Ctrl-C.
        interrupted: What is said then.
        lost: What is said if a worker is lost.
        folder: Folder for what workers print.
        clean_up: What is done before the process ends.
    """

    def end(status: int, said: str) -> None:
        clean_up()
        os.write(_STDERR, f"{said}\n".encode())
        os._exit(status)

    def look(failure: threading.ExceptHookArgs) -> None:
        if failure.thread is None or failure.thread.name != _THREAD_OF_WORKER:
            threading.__excepthook__(failure)
            return
        with contextlib.suppress(OSError), open(os.path.join(folder, _SAID), errors="replace") as file:
            sys.stderr.write(file.read())
        end(1, lost)

    threading.excepthook = look
    before = None
    if threading.current_thread() is threading.main_thread():  # It alone can be interrupted.
        before = signal.signal(signal.SIGINT, lambda *_: end(status, interrupted))
    try:
        yield
    finally:
        threading.excepthook = threading.__excepthook__
        if before is not None:
            signal.signal(signal.SIGINT, before)
