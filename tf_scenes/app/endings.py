"""How a command ends before its end: by one line on stderr and a status, without a traceback."""

import contextlib
import sys
from collections.abc import Iterator

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
    try:
        yield
    except UserError as error:
        # A user's text that it repeats may have several lines.
        sys.exit(f"Error: {' '.join(str(error).splitlines())}")
    except KeyboardInterrupt as error:
        print(f"\nInterrupted{': ' if str(error) else ''}{error}.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except OSError as error:  # A full disk, or a file that may not be read or written.
        sys.exit(f"Error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")
