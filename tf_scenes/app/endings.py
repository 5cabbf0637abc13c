"""How a command ends before its end: by one line on stderr and a status, without a traceback."""

import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn, Optional

from tf_scenes.errors import UserError

INTERRUPTED = 130  # As shells have it: 128 plus the number of the signal.


@contextlib.contextmanager
def hint_if_interrupted(hint: str) -> Iterator[None]:
    """Has `one_line_errors` say what to do after Ctrl-C.

    Args:
        hint: Half a sentence, or nothing.

    Raises:
        KeyboardInterrupt: After Ctrl-C, with the hint.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(str(error) or hint) from error


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the process in one line where a user's input, the operating system or Ctrl-C ends what runs within."""
    with _noted_interruptions() as interruptions:
        try:
            yield
        except UserError as error:
            # A user's text that it repeats may have several lines.
            sys.exit(f"Error: {' '.join(str(error).splitlines())}")
        except KeyboardInterrupt as error:
            _end_interrupted(str(error))
        except OSError as error:  # A full disk, or a file that may not be read or written.
            sys.exit(f"Error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        except Exception:
            # What calls Python from C may make another exception of Ctrl-C's.
            if not interruptions:
                raise
            _end_interrupted("")


@contextlib.contextmanager
def _noted_interruptions() -> Iterator[list[int]]:
    """A list that grows with each Ctrl-C, unless the process ignores them or has an answer of its own."""
    came: list[int] = []

    def note(number: int, frame: Optional[FrameType]) -> None:
        came.append(number)
        signal.default_int_handler(number, frame)

    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    if not is_main or before is not signal.default_int_handler:
        yield came
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)


def _end_interrupted(hint: str) -> NoReturn:
    print(f"\nInterrupted{': ' if hint else ''}{hint}.", file=sys.stderr)
    # A checkpoint that was half restored warns of each value that found no place, once it is freed on the way out.
    logging.disable()
    sys.exit(INTERRUPTED)
