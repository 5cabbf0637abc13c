"""How a command ends before its end: by one line on stderr and a status, without a traceback."""

import contextlib
import sys
from collections.abc import Iterator

from tf_scenes.errors import UserError

_INTERRUPTED = 130  # As shells have it: 128 plus the number of the signal.


@contextlib.contextmanager
def one_line_errors(interrupted: str = "Interrupted.") -> Iterator[None]:
    """Ends the process in one line where a user's input, the operating system or Ctrl-C ends what runs within.

    Args:
        interrupted: What is said after Ctrl-C.
    """
    try:
        yield
    except UserError as error:
        # A user's text that it repeats may have several lines.
        sys.exit(f"Error: {' '.join(str(error).splitlines())}")
    except KeyboardInterrupt:
        print(f"\n{interrupted}", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except OSError as error:  # A full disk, or a file that may not be read or written.
        sys.exit(f"Error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")
