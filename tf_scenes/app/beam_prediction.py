"""Prediction for a user's picture files as an Apache Beam pipeline, on this machine or on a cluster."""

import contextlib
import io
import logging
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions, WorkerOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from tf_scenes.beam.filesystems import delete_folders, is_local, local_folder, matches_any, matching
from tf_scenes.beam.inference import EncoderHandler
from tf_scenes.beam.pictures import COUNTERS, search_for
from tf_scenes.beam.pipeline import Output, add_prediction
from tf_scenes.beam.tables import describe_empty_image, schemas
from tf_scenes.config import Config
from tf_scenes.data.image_files import KINDS
from tf_scenes.descriptions import PRESENCE, Description
from tf_scenes.errors import UserError
from tf_scenes.files import require_writable
from tf_scenes.prediction.objects import found, full_slots_warning
from tf_scenes.prediction.options import PredictionOptions
from tf_scenes.serving.exported_encoder import ExportedEncoder, newest_of_both

# Other runners have options of which only they know.
_LOCAL_RUNNERS = ("DirectRunner", "BundleBasedDirectRunner", "FnApiRunner", "SwitchingDirectRunner")


def predict(config: Config, arguments: Sequence[str]) -> None:
    """Finds the objects in the pictures of `--predict_images`, and writes tables and, if asked, masks and overlays.

    Args:
        config: Configuration with `predict_images` and `predict_models`.
        arguments: Beam's options, such as `--runner=FlinkRunner`.

    Raises:
        UserError: If an option, the pictures, the model or the folder of the results cannot be used, or at the end if
            some of the pictures could not.
    """
    started, options = time.time(), config.prediction
    folder, beam_options = options.folder(config.job.run_dir), _beam_options(arguments)
    search = search_for(options.predict_images, folder)
    if not any(map(matches_any, search.patterns)):
        raise UserError(f"--predict_images={options.predict_images} does not exist, or holds nothing")
    _require_place(folder, options.predict_shards)
    handler, empty = _checked_model(options.predict_models, options.predict_scale)

    try:
        pipeline = beam.Pipeline(options=beam_options)
    except ValueError as error:  # It knows the runners.
        raise UserError(f"Apache Beam refuses its options: {str(error).splitlines()[0]}") from error
    output = Output(folder, options.predict_shards, options.predict_csv, options.predict_pictures)
    add_prediction(pipeline, search, handler, schemas(empty), output)
    result = _run(pipeline)
    delete_folders(f"{folder}/beam-temp-*")  # Of pipelines that were interrupted.
    _tell(_counted(result), options, folder, empty[PRESENCE].shape[1])
    print(f"Done in {time.time() - started:.0f} s.")


def _checked_model(folder: str, scale: float) -> tuple[EncoderHandler, Description]:
    """What runs the newest encoder of a model, and what that says of an empty image."""
    with local_folder(folder) as copy:
        try:
            path, _ = newest_of_both(copy)
            empty = describe_empty_image(ExportedEncoder(path, folder))
        except UserError as error:
            raise UserError(f"--predict_models: {str(error).replace(copy, folder)}") from error
    return EncoderHandler(folder, os.path.relpath(path, copy).replace(os.sep, "/"), scale), empty


def _beam_options(arguments: Sequence[str]) -> PipelineOptions:
    """Beam's options, of which Beam itself would ignore those that are misspelt."""
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
    runner = options.view_as(StandardOptions).runner or _LOCAL_RUNNERS[0]
    if runner in _LOCAL_RUNNERS:
        if unknown:
            raise UserError(f"--{unknown[0]} is no option of Apache Beam, of the {runner} at least")
        # Beam reports each step of each process as information, and what it does without as warnings.
        options.view_as(WorkerOptions).default_sdk_harness_log_level = "ERROR"
        logging.getLogger("apache_beam").setLevel(logging.ERROR)
    return options


def _run(pipeline: beam.Pipeline) -> PipelineResult:
    """Runs a pipeline to its end."""
    try:
        result = pipeline.run()
        state = result.wait_until_finish()
    except Exception as error:  # Whatever a worker raises, or a runner that cannot be reached; Beam has logged it.
        reason = (str(error).splitlines() or [type(error).__name__])[-1]
        raise UserError(f"the pipeline failed: {reason}; started again with the same flags, it begins anew") from error
    if state != PipelineState.DONE:
        raise UserError(f"the pipeline ended as {state}; started again with the same flags, it begins anew")
    return result


def _require_place(folder: str, shards: int) -> None:
    """Checks that tables can be written, and would not stand beside others of the same names."""
    if is_local(folder):
        require_writable(folder, "predict_dir")
    for path in matching(f"{folder}/*-of-*.parquet"):
        parts = re.search(r"-of-(\d{5})\.parquet$", path)
        if parts and int(parts[1]) != shards:
            raise UserError(
                f"--predict_dir={folder} holds tables in {int(parts[1])} parts, and --predict_shards={shards}: choose "
                "the same number, or another folder"
            )


def _counted(result: PipelineResult) -> Mapping[str, int]:
    counters = result.metrics().query(beam.metrics.MetricsFilter().with_namespace(COUNTERS))["counters"]
    return {counter.key.metric.name: counter.result for counter in counters}


def _tell(counted: Mapping[str, int], options: PredictionOptions, folder: str, slots: int) -> None:
    """Says what was found.

    Raises:
        UserError: If there were no pictures, or if some could not be used.
    """
    images, objects, errors, full = (counted.get(name, 0) for name in ("images", "objects", "errors", "full_images"))
    if not images + errors:
        raise UserError(f"--predict_images={options.predict_images} holds no picture: {KINDS} files are read")
    tables = "counts, objects, instances and errors in Parquet files" + (", and as CSV" if options.predict_csv else "")
    pictures = ", masks/ and overlays/" if options.predict_pictures else ""
    print(f"{found(objects, images)}: {folder} has {tables}{pictures}")
    if full:
        print(full_slots_warning(full, slots), file=sys.stderr)
    if errors:
        raise UserError(f"{errors} of the pictures could not be used: see errors in {folder}; all others are done")
