"""The command line: the same for main.py, `tf-scenes` and `python -m tf_scenes`."""

import contextlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator

from absl import app, logging

from tf_scenes import __version__, config
from tf_scenes.app import help as command_help
from tf_scenes.app.endings import hint_if_interrupted, one_line_errors
from tf_scenes.app.run_folder import check_folder, check_places
from tf_scenes.errors import UserError

# TensorFlow reports its CUDA plugins and oneDNN as errors and warnings at start-up, which would bury our own output.
# Python exceptions are not affected; TF_CPP_MIN_LOG_LEVEL=0 brings the messages back.
_LOG_LEVEL, _QUIET = "TF_CPP_MIN_LOG_LEVEL", "3"
# What is said after Ctrl-C, by mode.
_HINTS = {"train": "started again, a run goes on from its last checkpoint"}
_STDERR = 2  # The process's own, to which C++ code writes.
_GREETINGS = (b"WARNING: All log messages before absl::InitializeLog()", b"I0000 ")


def run() -> None:
    """Runs the command line of this process, and exits."""
    os.environ.setdefault(_LOG_LEVEL, _QUIET)
    _prepare_streams()
    with one_line_errors():
        config.define_flags()
        app.run(_run, flags_parser=_parse)


def _prepare_streams() -> None:
    """Lets names of files be printed that are no text, and lets the process run without stdout or stderr."""
    for number, name in enumerate(("stdout", "stderr"), start=1):
        stream = getattr(sys, name)
        if stream is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
            setattr(sys, name, os.fdopen(number, "w"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def main(arguments: list[str]) -> None:
    """Runs the task that the flags describe.

    Args:
        arguments: Command line without its flags.

    Raises:
        UserError: If the user's input does not allow it.
    """
    logging.set_verbosity(logging.WARNING)
    settings = config.config_from_flags()
    with hint_if_interrupted(_HINTS.get(settings.job.mode, "")):
        _run_mode(settings, arguments)


def _run_mode(settings: config.Config, arguments: list[str]) -> None:
    if settings.job.mode == "predict_beam":
        _predict_with_beam(settings, arguments[1:])
        return
    if len(arguments) > 1:
        raise UserError(f"unknown argument '{arguments[1]}': only --flags are accepted, see --help")
    if settings.job.mode == "predict":
        settings.prediction.require_files()
    elif settings.job.mode != "compare":
        settings.data.require_paths()
    if settings.uses_run:
        check_folder(settings)
    check_places(settings)
    # TensorFlow takes seconds to import, so flags are checked first.
    with without_greetings():
        from tf_scenes.app import modes

    modes.run_mode(settings)


def _predict_with_beam(settings: config.Config, beam_arguments: list[str]) -> None:
    if not importlib.util.find_spec("apache_beam"):
        raise UserError("--mode=predict_beam needs Apache Beam: pip install 'tf_scenes[beam]' (Python 3.10 or newer)")
    logging.set_verbosity(logging.ERROR)  # Beam warns of parts of it that are not installed.
    with without_greetings():
        from tf_scenes.app import beam_prediction

    beam_prediction.predict(settings, beam_arguments)


@contextlib.contextmanager
def without_greetings() -> Iterator[None]:
    """Leaves out what TensorFlow's C++ code of later versions says on import, whatever TF_CPP_MIN_LOG_LEVEL is."""
    sys.stderr.flush()
    kept = os.dup(_STDERR)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), _STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, _STDERR)
            os.close(kept)
            said.seek(0)
            for line in said:
                if os.environ.get(_LOG_LEVEL) != _QUIET or not line.startswith(_GREETINGS):
                    os.write(_STDERR, line)


def _run(arguments: list[str]) -> None:
    with one_line_errors():
        main(arguments)


def _parse(arguments: list[str]) -> list[str]:
    """Parses a command line, or prints the help that it asks for, and exits."""
    command = _command(arguments[0])
    if "--version" in arguments[1:]:
        _print(f"tf_scenes {__version__}")
        sys.exit(0)
    # All defaults are the paper's training, which takes days without a GPU. Nobody means that.
    if not set(arguments[1:]) - {"--"}:
        sys.exit(f"Error: nothing to do without flags: try {command} --flagfile=configs/lavae.cfg, or see --help")
    topic = command_help.topic(arguments[1:])
    if topic is None:
        return config.parse_flags(arguments)
    _print(command_help.help_text(topic, command))
    sys.exit(0)


def _command(program: str) -> str:
    """How a user calls a program, by its path."""
    commands = {"main.py": "python main.py", "__main__.py": "python -m tf_scenes"}
    return commands.get(os.path.basename(program), "tf-scenes")


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # The program that reads it, e.g. head, has read enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
