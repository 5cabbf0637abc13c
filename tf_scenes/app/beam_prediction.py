"""Prediction for a user's picture files as an Apache Beam pipeline, on this machine or on a cluster."""

import builtins
import contextlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

import apache_beam as beam
from absl import logging
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from tf_scenes.app.beam_options import parse_beam_options
from tf_scenes.app.beam_places import access, checked_model, placed, require_pictures, require_place
from tf_scenes.app.endings import INTERRUPTED
from tf_scenes.beam import this_machine
from tf_scenes.beam.filesystems import delete_folders
from tf_scenes.beam.pictures import COUNTERS, search_for
from tf_scenes.beam.pipeline import Output, add_prediction
from tf_scenes.beam.progress import Progress, shown_progress
from tf_scenes.beam.tables import schemas
from tf_scenes.config import Config
from tf_scenes.data.image_files import KINDS
from tf_scenes.descriptions import PRESENCE
from tf_scenes.errors import UserError, first_line
from tf_scenes.prediction.objects import found, full_slots_warning
from tf_scenes.prediction.options import PredictionOptions

_AGAIN = "started again with the same flags, it begins anew"


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
    is_here = this_machine.is_meant(beam_options)
    if not is_here:
        logging.set_verbosity(logging.INFO)  # A job's name, address and state.
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
    try:
        with _watched(is_here) as progress:
            pipeline = _pipeline(beam_options, progress)
            add_prediction(pipeline, search, handler, schemas(empty), output, progress)
            result = _run(pipeline)
    finally:
        delete_folders(f"{folder}/beam-temp-*")  # Of pipelines that have failed, this one or earlier ones.
    _tell(_counted(result), options, empty[PRESENCE].shape[1])
    print(f"Done in {time.time() - started:.0f} s.")


def _pipeline(options: PipelineOptions, progress: Progress) -> beam.Pipeline:
    """An empty pipeline, which knows where it runs."""
    try:
        here = this_machine.is_meant(options)
        return beam.Pipeline(this_machine.runner(options, progress.folder) if here else None, options)
    except ValueError as error:  # It knows the runners.
        raise UserError(f"Apache Beam refuses its options: {first_line(error)}") from error


@contextlib.contextmanager
def _watched(is_here: bool) -> Iterator[Progress]:
    """Shows how far a pipeline on this machine is, and lets Ctrl-C end it; a cluster shows that itself."""
    if not is_here:
        yield Progress()
        return
    interrupted = f"\nInterrupted: {_AGAIN}."
    lost = f"Error: the pipeline failed: a worker process was lost, as happens where memory is short; {_AGAIN}"
    with contextlib.ExitStack() as shown:
        progress = shown.enter_context(shown_progress())
        with this_machine.ended_at_once(INTERRUPTED, interrupted, lost, progress.folder, shown.close):
            yield progress


def _run(pipeline: beam.Pipeline) -> PipelineResult:
    """Runs a pipeline to its end."""
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


def _counted(result: PipelineResult) -> Mapping[str, int]:
    counters = result.metrics().query(beam.metrics.MetricsFilter().with_namespace(COUNTERS))["counters"]
    return {counter.key.metric.name: counter.result for counter in counters}


def _tell(counted: Mapping[str, int], options: PredictionOptions, slots: int) -> None:
    """Says what was found.

    Raises:
        UserError: If there were no pictures, or if some could not be used.
    """
    tables = "counts, objects, instances and errors in Parquet files" + (", and as CSV" if options.predict_csv else "")
    written = f"{options.predict_dir} has {tables}{', masks/ and overlays/' if options.predict_pictures else ''}"
    if not counted:
        print(f"{written}; the runner keeps its counters to itself")
        return
    images, objects, errors, full = (counted.get(name, 0) for name in ("images", "objects", "errors", "full_images"))
    if not images + errors:
        raise UserError(f"--predict_images={options.predict_images} holds no picture: {KINDS} files are read")
    print(f"{found(objects, images)}: {written}")
    if full:
        print(full_slots_warning(full, slots), file=sys.stderr)
    if errors:
        raise UserError(
            f"{errors} of the pictures could not be used: see errors in {options.predict_dir}; all others are done"
        )
