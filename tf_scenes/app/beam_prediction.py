"""Prediction for a user's picture files as an Apache Beam pipeline, on this machine or on a cluster."""

import builtins
import contextlib
import sys
import time
from collections.abc import Sequence
from typing import Callable

import apache_beam as beam
from absl import logging
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from tf_scenes.app.beam_options import parse_beam_options
from tf_scenes.app.beam_places import access, checked_model, placed, require_pictures, require_place
from tf_scenes.app.endings import INTERRUPTED, hint_if_interrupted
from tf_scenes.beam import this_machine
from tf_scenes.beam.filesystems import delete_folders, is_local
from tf_scenes.beam.pictures import COUNTERS, ERRORS, search_for
from tf_scenes.beam.pipeline import Output, add_prediction
from tf_scenes.beam.progress import Progress
from tf_scenes.beam.tables import COUNTS, OBJECTS, count_rows, delete_tables, first_reasons, schemas
from tf_scenes.config import Config
from tf_scenes.data.image_files import KINDS
from tf_scenes.descriptions import PRESENCE
from tf_scenes.errors import UserError
from tf_scenes.files import in_use
from tf_scenes.prediction.objects import found, full_slots_warning
from tf_scenes.prediction.options import PredictionOptions

_AGAIN = "started again with the same flags, it begins anew"
# How many files or images that could not be used are named on the terminal.
_SHOWN_ERRORS = 5


def predict(config: Config, arguments: Sequence[str]) -> None:
    """Finds the objects in the pictures of `--predict_images`, and writes tables and, if asked, masks and overlays.

    Args:
        config: Configuration with `predict_images` and `predict_models`.
        arguments: Beam's options, such as `--runner=FlinkRunner`.

    Raises:
        UserError: If an option, the pictures, the model or the folder of the results cannot be used, or at the end if
            some of the pictures could not.
    """
    started, beam_options = time.time(), parse_beam_options(arguments)
    FileSystems.set_options(beam_options)
    options = placed(config.prediction, beam_options)
    folder, search = options.predict_dir, search_for(options.predict_images, options.predict_dir)
    with access("predict_images", options.predict_images):
        require_pictures(search, options.predict_images)
    with access("predict_dir", folder):
        require_place(options)
    with access("predict_models", options.predict_models):
        handler, empty = checked_model(options)

    output = Output(folder, options.predict_shards, options.predict_csv, options.predict_pictures)
    run = _run_here if this_machine.is_meant(beam_options) else _run_elsewhere
    result = run(beam_options, folder, lambda *places: add_prediction(*places, search, handler, schemas(empty), output))
    with access("predict_dir", folder):
        _tell(options, _counted(result, "full_images"), empty[PRESENCE].shape[1])
    print(f"Done in {time.time() - started:.0f} s.")


# Adds the steps of a pipeline, and takes it and where its progress is told.
_Steps = Callable[[beam.Pipeline, Progress], None]


def _run_here(options: PipelineOptions, folder: str, add_steps: _Steps) -> PipelineResult:
    """Runs a pipeline on this machine; shows how far it is, and lets Ctrl-C end it."""
    interrupted = f"\nInterrupted: {_AGAIN}."
    lost = f"Error: the pipeline failed: a worker process was lost, as happens where memory is short; {_AGAIN}"
    with in_use(folder, "predict_dir") if is_local(folder) else contextlib.nullcontext():
        try:
            with contextlib.ExitStack() as shown:
                progress = shown.enter_context(this_machine.shown_progress())
                with this_machine.ended_at_once(INTERRUPTED, interrupted, lost, progress.folder, shown.close):
                    pipeline = beam.Pipeline(this_machine.runner(options, progress.folder), options)
                    add_steps(pipeline, progress)
                    return _finished(pipeline, folder)
        finally:
            delete_folders(f"{folder}/beam-temp-*")  # Of pipelines that have failed, this one or earlier ones.


def _run_elsewhere(options: PipelineOptions, folder: str, add_steps: _Steps) -> PipelineResult:
    """Runs a pipeline on a cluster, which shows how far it is."""
    logging.set_verbosity(logging.INFO)  # A job's name, address and state.
    try:
        pipeline = beam.Pipeline(options=options)
    except (ValueError, ImportError) as error:  # It knows the runners.
        raise UserError(f"Apache Beam refuses its options: {' '.join(str(error).split())}") from error
    add_steps(pipeline, Progress())
    with hint_if_interrupted("the cluster goes on with the job, until it is told to cancel it"):
        result = _finished(pipeline, folder)
    delete_folders(f"{folder}/beam-temp-*")
    return result


def _finished(pipeline: beam.Pipeline, folder: str) -> PipelineResult:
    """Runs a pipeline to its end, without the tables of an earlier one in its folder."""
    with access("predict_dir", folder):
        delete_tables(folder)
    try:
        result = pipeline.run()
        state = result.wait_until_finish()
    except Exception as error:  # Whatever a worker raises, or a runner that cannot be reached.
        *before, last = str(error).splitlines() or [type(error).__name__]
        reason = last.removeprefix("RuntimeError: ")  # What Beam makes of any error in another process.
        if not _is_of_the_system(reason):
            print(*before, sep="\n", file=sys.stderr)  # The worker's traceback, without which nobody could mend it.
        raise UserError(f"the pipeline failed: {reason}; {_AGAIN}") from error
    if state != PipelineState.DONE:
        raise UserError(f"the pipeline ended as {state}; {_AGAIN}")
    return result


def _is_of_the_system(reason: str) -> bool:
    """Whether the last line of a traceback names an error of the operating system, such as a full disk."""
    error = getattr(builtins, reason.partition(":")[0], None)
    return isinstance(error, type) and issubclass(error, OSError)


def _counted(result: PipelineResult, name: str) -> int:
    """One of the pipeline's counters, or 0 if the runner keeps them to itself."""
    counters = result.metrics().query(beam.metrics.MetricsFilter().with_namespace(COUNTERS).with_name(name))["counters"]
    return sum(counter.result for counter in counters)


def _tell(options: PredictionOptions, full_images: int, slots: int) -> None:
    """Says what the tables hold.

    Raises:
        UserError: If there were no pictures, or if some could not be used.
    """
    folder = options.predict_dir
    images, objects, errors = (count_rows(folder, table) for table in (COUNTS, OBJECTS, ERRORS))
    if not images + errors:
        raise UserError(f"--predict_images={options.predict_images} holds no picture: {KINDS} files are read")
    tables = "counts, objects and instances in Parquet files" + (" and as CSV" if options.predict_csv else "")
    pictures = "; masks/ and overlays/" if options.predict_pictures else ""
    print(f"{found(objects, images)}: {folder} has {tables}{pictures}")
    if full_images:
        print(full_slots_warning(full_images, slots), file=sys.stderr)
    for reason in first_reasons(folder, _SHOWN_ERRORS) if errors else ():
        print(f"Skipped: {reason}", file=sys.stderr)
    if errors:
        raise UserError(
            f"{errors} of the pictures could not be used, see {ERRORS}-*.parquet in {folder}; all others are done"
        )
