"""Pipelines on this machine: which options mean that, the runner with its processes, and what a terminal shows."""

import contextlib
import logging
import os
import shlex
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import Callable

import grpc
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions, WorkerOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo, FnApiRunner
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.transforms.environments import SubprocessSDKEnvironment
from tqdm import tqdm

from tf_scenes.beam import worker
from tf_scenes.beam.progress import Progress

_RUNNERS = (None, "FnApiRunner", "DirectRunner", "SwitchingDirectRunner", "BundleBasedDirectRunner")
_PROCESSES = "multi_processing"
_STDERR = 2
# File in which worker processes print, and the name that Beam gives to the thread that waits for such a process.
_SAID, _THREAD_OF_WORKER = "said", "run_worker"
_SECONDS_BETWEEN_LOOKS = 0.5


def is_meant(options: PipelineOptions) -> bool:
    """Whether options ask for a pipeline on this machine, as they do without a runner."""
    return options.view_as(StandardOptions).runner in _RUNNERS


def runner(options: PipelineOptions, folder: str) -> FnApiRunner:
    """The runner for options that ask for this machine.

    `DirectRunner` would look for another one, written in Go, on the internet.

    Args:
        options: Options, in which the mode of processes is replaced by the runner's own processes.
        folder: Folder for their temporary files and what they print, which `ended_at_once` shows if one is lost.
    """
    # Beam reports each step of each process as information, what it does without as warnings, and errors twice.
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    options.view_as(WorkerOptions).default_sdk_harness_log_level = "CRITICAL"
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options(drop_default=True))
    told = ExtendedProvisionInfo(beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded))
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode != _PROCESSES:
        return FnApiRunner(provision_info=told)
    direct.direct_running_mode = "in_memory"  # Or else Beam would start processes of its own.
    environment = SubprocessSDKEnvironment.from_command_string(_process(folder))
    return FnApiRunner(environment, provision_info=told)


def _process(folder: str) -> str:
    """The shell's command for a worker process, which finds modules where this process does, and prints to a file."""
    python, temporary, said = map(shlex.quote, (sys.executable, folder, os.path.join(folder, _SAID)))
    code = f"import sys; sys.path[:] = {sys.path}; from {worker.__name__} import main; main({os.getpid()})"
    # Ctrl-C is for this process, which answers it in one line.
    return f"trap '' INT; TMPDIR={temporary}; export TMPDIR; exec {python} -c {shlex.quote(code)} 2>>{said}"


@contextlib.contextmanager
def shown_progress() -> Iterator[Progress]:
    """Shows a bar on standard error while a pipeline runs within, as `--mode=predict` does."""
    with contextlib.ExitStack() as shown:
        folder = shown.enter_context(_temporary_folder())
        progress_bar = shown.enter_context(tqdm(desc="Looking for pictures", unit=" files", dynamic_ncols=True))
        progress, ended = Progress(folder), threading.Event()
        watching = threading.Thread(target=_watch, args=(progress, progress_bar, ended), daemon=True)
        watching.start()
        try:
            yield progress
        finally:
            ended.set()
            watching.join()


@contextlib.contextmanager
def _temporary_folder() -> Iterator[str]:
    """A folder for temporary files, Beam's too: of those, it would leave some behind if it is interrupted."""
    before, folder = tempfile.tempdir, tempfile.mkdtemp()
    tempfile.tempdir = folder
    try:
        yield folder
    finally:
        tempfile.tempdir, gone = before, f"{folder}_gone"
        os.rename(folder, gone)  # Workers that have not ended yet add nothing more.
        shutil.rmtree(gone, ignore_errors=True)


def _watch(progress: Progress, progress_bar: tqdm, ended: threading.Event) -> None:
    is_last = False
    while not is_last:
        is_last = ended.wait(_SECONDS_BETWEEN_LOOKS)
        found, read = progress.count()
        if found:
            progress_bar.set_description(
                "Reading" if read < found else "Finding objects, writing tables", refresh=False
            )
        progress_bar.total = found or None
        progress_bar.update(read - progress_bar.n)


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
    first, hook = threading.Lock(), threading.excepthook

    def end(status: int, said: str) -> None:
        if not first.acquire(blocking=False):  # Several workers may be lost at once.
            return
        try:
            clean_up()
        finally:
            os.write(_STDERR, f"{said}\n".encode())
            os._exit(status)

    def end_if_lost(failure: threading.ExceptHookArgs) -> None:
        if failure.thread is None or failure.thread.name != _THREAD_OF_WORKER:
            if not issubclass(failure.exc_type, grpc.RpcError):  # They follow from the loss of a worker.
                hook(failure)
            return
        with contextlib.suppress(OSError), open(os.path.join(folder, _SAID), errors="replace") as file:
            sys.stderr.write(file.read())
        end(1, lost)

    # Only the main thread can be interrupted, and a process that ignores Ctrl-C goes on ignoring it.
    heeds = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) != signal.SIG_IGN
    before = signal.signal(signal.SIGINT, lambda *_: end(status, interrupted)) if heeds else None
    threading.excepthook = end_if_lost
    try:
        yield
    finally:
        threading.excepthook = hook
        if heeds:
            signal.signal(signal.SIGINT, before)
