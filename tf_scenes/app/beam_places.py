"""Checks of what a pipeline reads and where it writes, before it runs: pictures, the model, the results' folder."""

import contextlib
import dataclasses
import glob
import os
import posixpath
import re
from collections.abc import Iterator

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from tf_scenes.app.beam_options import DATAFLOW
from tf_scenes.beam import this_machine
from tf_scenes.beam.filesystems import (
    HDFS,
    is_local,
    local_folder,
    matching,
    matching_at_most,
    require_writable_elsewhere,
    schemes,
)
from tf_scenes.beam.inference import EncoderHandler
from tf_scenes.beam.pictures import Search
from tf_scenes.beam.pipeline import CSV_TABLES
from tf_scenes.beam.tables import describe_empty_image
from tf_scenes.data.image_files import KINDS
from tf_scenes.descriptions import Description
from tf_scenes.errors import UserError, first_line
from tf_scenes.files import require_kinds, require_writable
from tf_scenes.prediction.options import PredictionOptions
from tf_scenes.prediction.pictures import MASKS, OVERLAYS
from tf_scenes.serving.exported_encoder import ExportedEncoder, newest_in_both, newest_of_both
from tf_scenes.serving.versions import PARTS, numbers

# Number of files that match, among which there should be a picture: more are left to the pipeline.
_LOOKED_AT = 10_000


def placed(options: PredictionOptions, beam_options: PipelineOptions) -> PredictionOptions:
    """The options with paths that mean the same to every worker: absolute ones, or addresses.

    Args:
        options: The options that a user gave.
        beam_options: Beam's options.

    Raises:
        UserError: If a path cannot be reached from where the workers are.
    """
    runner = beam_options.view_as(StandardOptions).runner
    if not this_machine.is_meant(beam_options) and not options.predict_dir:
        raise UserError(f"--runner={runner} needs --predict_dir, a folder that all workers see")
    paths = {
        "predict_images": options.predict_images,
        "predict_models": options.predict_models,
        "predict_dir": options.folder(run_dir=""),
    }
    for name, path in paths.items():
        if is_local(path):
            if runner == DATAFLOW:
                raise UserError(f"--{name}={path} is on this machine, which Dataflow does not see: use gs://...")
            paths[name] = os.path.abspath(path)
        elif FileSystems.get_scheme(path) not in schemes():
            raise UserError(
                f"--{name}={path} cannot be reached: paths of this machine have no scheme, and Apache Beam knows "
                f"{', '.join(sorted(schemes()))} here; gs:// needs pip install 'apache-beam[gcp]'"
            )
        else:
            paths[name] = path.rstrip("/")
    for name in ("predict_models", "predict_dir"):
        if glob.has_magic(paths[name]) and (name == "predict_dir" or not is_local(paths[name])):
            raise UserError(f"--{name}={paths[name]} must not have *, ? or [ in it, which Beam takes for a pattern")
    return dataclasses.replace(options, **paths)


@contextlib.contextmanager
def access(flag: str, path: str) -> Iterator[None]:
    """Says which flag it is about if a file system cannot be used within.

    Args:
        flag: Name of the flag.
        path: Its value.

    Raises:
        UserError: If one cannot.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # Each of Beam's file systems has errors of its own.
        raise UserError(f"--{flag}={path} cannot be used: {first_line(error)}") from error


def require_pictures(search: Search, pattern: str) -> None:
    """Checks that there is a picture, as far as a look at the first files tells.

    Args:
        search: Where pictures are.
        pattern: What a user asked for, for error messages.

    Raises:
        UserError: If there is none.
    """
    looked_at = [matching_at_most(each, _LOOKED_AT) for each in search.patterns]
    if not any(looked_at):
        raise UserError(f"--predict_images={pattern} does not exist, or holds nothing")
    has_picture = any(search.is_picture(path) for paths in looked_at for path in paths)
    if not has_picture and max(map(len, looked_at)) < _LOOKED_AT:
        raise UserError(f"--predict_images={pattern} holds no picture: {KINDS} files are read")


def require_place(options: PredictionOptions) -> None:
    """Checks that results can be written, and that tables would not stand beside others of the same names.

    Args:
        options: The options, as `placed` returns them.

    Raises:
        UserError: If not.
    """
    folder, shards = options.predict_dir, options.predict_shards
    csv_files = [f"{table}.csv" for table in CSV_TABLES]
    if is_local(folder):
        require_writable(folder, "predict_dir")
        require_kinds(folder, "predict_dir", [MASKS, OVERLAYS] if options.predict_pictures else [], csv_files)
    else:
        require_writable_elsewhere(folder)
        if FileSystems.get_scheme(folder) == HDFS and matching_at_most(f"{folder}/**", 1):
            raise UserError(f"--predict_dir={folder} holds files, which hdfs:// does not replace: choose another")
    older = {**dict.fromkeys(csv_files, "predict_csv"), f"{MASKS}/**": "predict_pictures"}
    for name, flag in older.items():
        if not getattr(options, flag) and matching_at_most(f"{folder}/{name}", 1):
            raise UserError(
                f"--predict_dir={folder} holds {name.rstrip('*')} of an earlier prediction: add --{flag} to write it "
                "anew, or choose another folder"
            )
    for path in matching(f"{folder}/*-of-*.parquet"):
        parts = re.search(r"-of-(\d{5})\.parquet$", path)
        if parts and int(parts[1]) != shards:
            raise UserError(
                f"--predict_dir={folder} holds tables in {int(parts[1])} parts, and --predict_shards={shards}: choose "
                "the same number, delete those tables, or choose another folder"
            )


def checked_model(options: PredictionOptions) -> tuple[EncoderHandler, Description]:
    """What runs the newest encoder of a model, and what that says of an empty image, with masks.

    Args:
        options: The options, as `placed` returns them.

    Raises:
        UserError: If there is no such model, or it does not find objects.
    """
    folder = options.predict_models
    if is_local(folder):
        options.require_model()
    with local_folder(posixpath.join(folder, encoder := _newest_encoder(folder))) as copy:
        try:
            empty = describe_empty_image(ExportedEncoder(copy, folder))
        except UserError as error:
            raise UserError(f"--predict_models: {str(error).replace(copy, folder)}") from error
    return EncoderHandler(folder, encoder, options.predict_scale), empty


def _newest_encoder(folder: str) -> str:
    """Path of the newest encoder in the folder of an exported model."""
    try:
        if is_local(folder):
            path, _ = newest_of_both(folder)
            return os.path.relpath(path, folder)
        files = [path[len(folder) + 1 :].split("/") for path in matching(f"{folder}/*/*/saved_model.pb")]
        halves = (numbers(version for half, version, _ in files if half == part) for part in PARTS)
        return f"{PARTS[0]}/{newest_in_both(folder, *halves)}"
    except UserError as error:
        raise UserError(f"--predict_models: {error}") from error
