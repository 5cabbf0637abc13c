"""Prediction for a user's picture files as an Apache Beam pipeline, on this machine or on a cluster."""

import contextlib
import dataclasses
import glob
import io
import logging
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

import apache_beam as beam
from absl import logging as absl_logging
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions, WorkerOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from tf_scenes.beam.filesystems import delete_folders, is_local, local_folder, matching, matching_at_most, schemes
from tf_scenes.beam.inference import EncoderHandler
from tf_scenes.beam.pictures import COUNTERS, Search, search_for
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

_ON_THIS_MACHINE = "FnApiRunner"
_LOCAL_RUNNERS = (_ON_THIS_MACHINE, "DirectRunner", "SwitchingDirectRunner", "BundleBasedDirectRunner")
# Number of files among which there should be a picture; a whole bucket is listed by the pipeline alone.
_LOOKED_AT = 10_000


def predict(config: Config, arguments: Sequence[str]) -> None:
    """Finds the objects in the pictures of `--predict_images`, and writes tables and, if asked, masks and overlays.

    Args:
        config: Configuration with `predict_images` and `predict_models`.
        arguments: Beam's options, such as `--runner=FlinkRunner`.

    Raises:
        UserError: If an option, the pictures, the model or the folder of the results cannot be used, or at the end if
            some of the pictures could not.
    """
    started, beam_options = time.time(), _beam_options(arguments)
    FileSystems.set_options(beam_options)
    options = _placed(config.prediction, beam_options)
    folder, search = options.predict_dir, search_for(options.predict_images, options.predict_dir)
    with _access("predict_images", options.predict_images):
        _require_pictures(search, options.predict_images)
    with _access("predict_dir", folder):
        _require_place(folder, options.predict_shards)
    with _access("predict_models", options.predict_models):
        handler, empty = _checked_model(options.predict_models, options.predict_scale)

    try:
        pipeline = beam.Pipeline(options=beam_options)
    except ValueError as error:  # It knows the runners.
        raise UserError(f"Apache Beam refuses its options: {str(error).splitlines()[0]}") from error
    output = Output(folder, options.predict_shards, options.predict_csv, options.predict_pictures)
    add_prediction(pipeline, search, handler, schemas(empty), output)
    result = _run(pipeline)
    delete_folders(f"{folder}/beam-temp-*")  # Of pipelines that were interrupted.
    _tell(_counted(result), options, empty[PRESENCE].shape[1])
    print(f"Done in {time.time() - started:.0f} s.")


def _placed(options: PredictionOptions, beam_options: PipelineOptions) -> PredictionOptions:
    """The options with paths that mean the same to every worker: absolute ones, or addresses."""
    runner = beam_options.view_as(StandardOptions).runner
    if runner != _ON_THIS_MACHINE and not options.predict_dir:
        raise UserError(f"--runner={runner} needs --predict_dir, a folder that all workers see")
    paths = {
        "predict_images": options.predict_images,
        "predict_models": options.predict_models,
        "predict_dir": options.folder(run_dir=""),
    }
    for name, path in paths.items():
        if is_local(path):
            if runner == "DataflowRunner":
                raise UserError(f"--{name}={path} is on this machine, which Dataflow does not see: use gs://...")
            paths[name] = os.path.abspath(path)
        elif FileSystems.get_scheme(path) not in schemes():
            raise UserError(
                f"--{name}={path} cannot be reached: paths of this machine have no scheme, and Apache Beam knows "
                f"{', '.join(sorted(schemes()))} here; gs:// needs pip install 'apache-beam[gcp]'"
            )
        else:
            paths[name] = path.rstrip("/")
    if glob.has_magic(paths["predict_dir"]):
        raise UserError(
            f"--predict_dir={paths['predict_dir']} must not have *, ? or [ in it, which Beam takes for a pattern"
        )
    return dataclasses.replace(options, **paths)


@contextlib.contextmanager
def _access(flag: str, path: str) -> Iterator[None]:
    """Says which flag it is about if a file system cannot be used."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # Each of Beam's file systems has errors of its own.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"--{flag}={path} cannot be used: {reason}") from error


def _require_pictures(search: Search, pattern: str) -> None:
    """Checks that there is a picture, as far as a look at the first files tells."""
    looked_at = [matching_at_most(each, _LOOKED_AT) for each in search.patterns]
    if not any(looked_at):
        raise UserError(f"--predict_images={pattern} does not exist, or holds nothing")
    has_picture = any(search.is_picture(path) for paths in looked_at for path in paths)
    if not has_picture and max(map(len, looked_at)) < _LOOKED_AT:
        raise UserError(f"--predict_images={pattern} holds no picture: {KINDS} files are read")


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
    runner = options.view_as(StandardOptions).runner or "DirectRunner"
    is_here = runner.lower() in (each.lower() for each in _LOCAL_RUNNERS)
    # Of other runners, the servers of Flink and Spark have options of which only they know.
    if unknown and (is_here or runner == "DataflowRunner"):
        raise UserError(f"--{unknown[0]} is no option of Apache Beam, of the {runner} at least")
    if is_here:
        # The direct runner would look for another one, written in Go, on the internet.
        options.view_as(StandardOptions).runner = _ON_THIS_MACHINE
        # Beam reports each step of each process as information, and what it does without as warnings.
        options.view_as(WorkerOptions).default_sdk_harness_log_level = "ERROR"
        logging.getLogger("apache_beam").setLevel(logging.ERROR)
    else:
        absl_logging.set_verbosity(absl_logging.INFO)  # A job's name, address and state.
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
