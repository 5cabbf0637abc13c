"""The exception for all errors that a user can make."""

import re


class UserError(ValueError):
    """Invalid input, such as a flag, a file, an image or a checkpoint.

    The message is a single line that says what is wrong and what is allowed. `main.py` prints it without a traceback
    and exits with a non-zero status.
    """


def first_line(error: Exception) -> str:
    """The first line of what an error says, or the name of its type if it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def without_node_names(message: str) -> str:
    """What TensorFlow says, without the names of its functions and nodes, such as `{{node Conv2D}} `."""
    return re.sub(r"\{\{.*?\}\} ?", "", message)
