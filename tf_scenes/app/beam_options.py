"""The options of Apache Beam that a command line ends with."""

import contextlib
import io
from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from tf_scenes.beam import this_machine
from tf_scenes.errors import UserError


def parse_beam_options(arguments: Sequence[str]) -> PipelineOptions:
    """Beam's options, of which Beam itself would ignore those that are misspelt.

    Args:
        arguments: What stands after `--`, such as `--runner=FlinkRunner`.

    Raises:
        UserError: If an option does not exist, or has an invalid value.
    """
    for before, argument in zip(["", *arguments], arguments):
        if not argument.startswith("--") and ("=" in before or not before.startswith("--")):
            raise UserError(f"unknown argument '{argument}': only --flags are accepted and, after --, options of Beam")
    options, said = PipelineOptions(list(arguments)), io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            given = options.get_all_options(retain_unknown_options=True)
    except SystemExit:  # What argparse does about invalid values.
        reason = said.getvalue().strip().splitlines()[-1].partition("error: ")[2]
        raise UserError(f"Apache Beam refuses its options: {reason}") from None
    unknown = sorted(given.keys() - PipelineOptions([]).get_all_options().keys())
    runner = options.view_as(StandardOptions).runner or "DirectRunner"
    # Of other runners, the servers of Flink and Spark have options of which only they know.
    if unknown and (this_machine.is_meant(options) or runner == "DataflowRunner"):
        raise UserError(f"--{unknown[0]} is no option of Apache Beam, of the {runner} at least")
    return options
