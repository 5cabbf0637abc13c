"""The one exception for everything that a user can get wrong."""


class UserError(ValueError):
    """Bad input: a flag, a file, an image or a checkpoint.

    The message is one line that names what is wrong and what is allowed; `main.py` prints it without a traceback and
    exits with a non-zero status.
    """
