"""The exception for all errors that a user can make."""


class UserError(ValueError):
    """Invalid input, such as a flag, a file, an image or a checkpoint.

    The message is a single line that says what is wrong and what is allowed. `main.py` prints it without a traceback
    and exits with a non-zero status.
    """
