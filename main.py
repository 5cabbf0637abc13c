"""Command line of tf_scenes: python main.py --flagfile=configs/lavae.cfg."""

import sys

from absl import app, flags, logging

from tf_scenes import config, flagfiles
from tf_scenes.errors import UserError


def main(arguments: list[str]) -> None:
    """Runs the task that the flags describe.

    Args:
        arguments: Command line without its flags.
    """
    if len(arguments) > 1:
        raise app.UsageError(f"unknown argument '{arguments[1]}': only --flags are accepted")
    logging.set_verbosity(logging.WARNING)
    try:
        settings = config.config_from_flags()
        if settings.job.mode == "predict":
            settings.prediction.require_files()
        # TensorFlow takes seconds to import, so flags are checked first.
        from tf_scenes.app import modes

        modes.run_mode(settings)
    except UserError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    config.define_flags()
    flags.adopt_module_key_flags(config)
    try:
        command_line = flagfiles.expand(sys.argv)
    except UserError as error:
        sys.exit(f"Error: {error}")
    app.run(main, argv=command_line)
