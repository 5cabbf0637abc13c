"""The options of Apache Beam that a command line ends with."""

import contextlib
import io
from collections.abc import Sequence
from typing import Optional

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions

from tf_scenes.beam import this_machine
from tf_scenes.config import flag_defaults
from tf_scenes.errors import UserError

DATAFLOW = "DataflowRunner"


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
    standard = options.view_as(StandardOptions)
    standard.runner = runner = _full_name(standard.runner)
    is_here = this_machine.is_meant(options)
    unknown = sorted(given.keys() - PipelineOptions([]).get_all_options().keys())
    # Of other runners, the servers of Flink and Spark have options of which only they know.
    if unknown and (is_here or runner == DATAFLOW):
        ours = "; that of tf_scenes stands before --" if unknown[0] in flag_defaults() else ""
        raise UserError(f"--{unknown[0]} is no option of Apache Beam{ours}")
    if is_here:
        _require_mode(options.view_as(DirectOptions))
    return options


def _full_name(runner: Optional[str]) -> Optional[str]:
    """The full name of a runner, as which Beam also takes `flink`; other names are left as they are."""
    names = {path.rpartition(".")[2].lower(): path.rpartition(".")[2] for path in StandardOptions.ALL_KNOWN_RUNNERS}
    return runner and names.get(runner.lower(), names.get(f"{runner.lower()}runner", runner))


def _require_mode(options: DirectOptions) -> None:
    workers = options.direct_num_workers
    if workers < 0:
        raise UserError(f"--direct_num_workers={workers} must be 1 or more, or 0 for as many as there are processors")
    if workers != 1 and options.direct_running_mode == "in_memory":
        raise UserError(f"--direct_num_workers={workers} needs --direct_running_mode=multi_processing")
