"""A worker process of a pipeline on this machine: Beam's own, but silent, and gone as soon as its command is gone."""

import logging
import os
import sys
import threading
import time

# What there is to say is sent to the command; nothing is printed, by Beam on import neither.
logging.getLogger().addHandler(logging.NullHandler())

from apache_beam.runners.worker import sdk_worker_main  # noqa: E402

_SECONDS_BETWEEN_LOOKS = 0.5


def main(command: int) -> None:
    """Works until the command that started it ends.

    Args:
        command: Number of that process.
    """
    threading.Thread(target=_end_with, args=(command,), daemon=True).start()
    sdk_worker_main.main(sys.argv)


def _end_with(command: int) -> None:
    while os.getppid() == command:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)
