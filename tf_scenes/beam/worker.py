"""A worker process of a pipeline on this machine: Beam's own, but silent, and gone as soon as its command is gone."""

import logging
import os
import signal
import sys
import threading
import time

# What there is to say is sent to the command; nothing is printed, by Beam on import neither.
logging.getLogger().addHandler(logging.NullHandler())

from apache_beam.runners.worker import sdk_worker_main  # noqa: E402

_SECONDS_BETWEEN_LOOKS = 0.5


def main() -> None:
    """Works until the command that started it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which answers it in one line.
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    sdk_worker_main.main(sys.argv)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)


if __name__ == "__main__":
    main()
