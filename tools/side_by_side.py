"""Commands of a tool, one after another or several at once, which then share the processor cores."""

import concurrent.futures
import os
import subprocess
import threading
from collections.abc import Callable, Sequence

# Variables that say how many threads a process computes with.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def complete_all(tasks: Sequence[Callable[[], None]], number: int) -> None:
    """Completes tasks in their order; after a failure, those that have begun are completed, but no others.

    Args:
        tasks: Functions without arguments.
        number: Number of tasks at once.

    Raises:
        BaseException: What the first task that failed has raised.
    """
    failed = threading.Event()

    def complete(task: Callable[[], None]) -> None:
        if not failed.is_set():
            try:
                task()
            except BaseException:
                failed.set()
                raise

    with concurrent.futures.ThreadPoolExecutor(number) as pool:
        for _ in pool.map(complete, tasks):
            pass


def call(command: Sequence[str], said: str, number: int) -> int:
    """Runs a command, and prints it before.

    Args:
        command: The program and its arguments.
        said: Path of a file, to which a command that is one of several at once writes what it says.
        number: Number of commands at once, each of which has its share of the cores.

    Returns:
        The command's status.
    """
    print(" ".join(command), flush=True)
    if number == 1:
        return subprocess.run(command).returncode
    threads = str(max(1, (os.cpu_count() or 1) // number))
    environment = {**os.environ, **dict.fromkeys(_THREADS, threads)}
    os.makedirs(os.path.dirname(said), exist_ok=True)
    with open(said, "a") as file:
        return subprocess.run(command, env=environment, stdout=file, stderr=subprocess.STDOUT).returncode
