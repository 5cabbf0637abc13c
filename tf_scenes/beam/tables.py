"""What is found in images, as rows of tables, masks and overlays."""

import itertools
from collections.abc import Iterator
from typing import Any, BinaryIO, Callable, TypeVar

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput
from pyarrow import parquet

from tf_scenes.beam.filesystems import delete_files, matching, write_file
from tf_scenes.beam.inference import SegmentedPage
from tf_scenes.beam.pictures import COUNTERS, ERRORS
from tf_scenes.descriptions import SMALLEST_SIDE, Description
from tf_scenes.errors import UserError
from tf_scenes.prediction.objects import PictureObjects, picture_objects
from tf_scenes.prediction.pages import Page, refuses_long_names, unusable
from tf_scenes.prediction.pictures import result_pictures
from tf_scenes.prediction.tables import COUNT_COLUMNS, annotations, count_row, object_columns, object_rows
from tf_scenes.serving.exported_encoder import ExportedEncoder

Part = TypeVar("Part")

COUNTS, OBJECTS, INSTANCES = "counts", "objects", "instances"
# Height and width of an empty image.
_SIDE = 4 * SMALLEST_SIDE
_TEXT, _WHOLE, _REAL = pa.string(), pa.int64(), pa.float64()
_INSTANCES = {
    "file": _TEXT,
    "height": _WHOLE,
    "width": _WHOLE,
    "object": _WHOLE,
    "category_id": _WHOLE,
    "category": _TEXT,
    "bbox": pa.list_(_WHOLE),
    "area": _WHOLE,
    "segmentation": _TEXT,
}


def describe_empty_image(encoder: ExportedEncoder) -> Description:
    """What an encoder says of an empty image, with masks.

    Raises:
        UserError: If it does not find objects, or does not say which object each pixel belongs to.
    """
    encoder.require_masks()
    return encoder.segment(np.zeros([1, _SIDE, _SIDE, encoder.channels], np.float32))


def schemas(description: Description) -> dict[str, pa.Schema]:
    """The columns of all tables.

    Args:
        description: What the encoder says of an empty image.

    Returns:
        Arrow's schemas by table: text, int64 and float64 columns in the order of the CSV tables of `--mode=predict`.
    """
    objects = picture_objects(description, _SIDE, _SIDE)
    measured = {"y": objects.centroids, "x": objects.centroids, **objects.fields}
    real = {name for name, values in measured.items() if np.issubdtype(values.dtype, np.floating)}
    of_objects = [("file", _TEXT), *((name, _REAL if name in real else _WHOLE) for name in object_columns(objects)[1:])]
    return {
        COUNTS: pa.schema(list(zip(COUNT_COLUMNS, (_TEXT, _WHOLE)))),
        OBJECTS: pa.schema(of_objects),
        INSTANCES: pa.schema(_INSTANCES),
        ERRORS: pa.schema([("file", _TEXT), ("reason", _TEXT)]),
    }


def delete_tables(folder: str) -> None:
    """Deletes the Parquet files of an earlier prediction.

    Beam itself replaces them only where a table has at least as many rows as files: where it has fewer, an earlier
    file that is as long as the new one stays in its place.

    Args:
        folder: Folder of the results.
    """
    for table in (COUNTS, OBJECTS, INSTANCES, ERRORS):
        delete_files(_pattern(folder, table))


def count_rows(folder: str, table: str) -> int:
    """Number of rows of a table in Parquet files, as the files themselves say.

    Args:
        folder: Folder of the results.
        table: Name of the table.
    """
    return sum(part.num_rows for part in _parts(folder, table, parquet.read_metadata))


def first_reasons(folder: str, count: int) -> list[str]:
    """Why files or images could not be used, as the table of errors in Parquet files says: the first few reasons.

    Args:
        folder: Folder of the results.
        count: How many at most.
    """
    tables = _parts(folder, ERRORS, parquet.read_table)
    return list(itertools.islice((row["reason"] for table in tables for row in table.to_pylist()), count))


def _parts(folder: str, table: str, read: Callable[[BinaryIO], Part]) -> Iterator[Part]:
    """Reads the files of a table one after the other."""
    for path in matching(_pattern(folder, table)):
        with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            yield read(file)


def _pattern(folder: str, table: str) -> str:
    return f"{folder}/{table}-*-of-*.parquet"


class DescribeObjects(beam.DoFn):
    """Measures what was found; outputs: rows of `COUNTS`, `OBJECTS`, `INSTANCES` and `ERRORS`, as tuples."""

    def __init__(self, folder: str, writes_pictures: bool, scale: float):
        """Creates the function.

        Args:
            folder: Folder of the results.
            writes_pictures: Whether masks and overlays are written to it.
            scale: Factor by which pictures were resized, for error messages.
        """
        super().__init__()
        self._folder, self._writes_pictures, self._scale = folder, writes_pictures, scale
        self._images, self._objects, self._full = (
            Metrics.counter(COUNTERS, name) for name in ("images", "objects", "full_images")
        )

    def process(self, segmented: SegmentedPage) -> Iterator[Any]:
        """Measures what was found in an image."""
        path, page, description, reason = segmented
        if description is None:
            yield TaggedOutput(ERRORS, (page.file, reason))
            return
        try:
            objects = picture_objects(description, *page.picture.shape[:2])
            if self._writes_pictures:
                self._write_pictures(page, objects)
        except (UserError, MemoryError) as error:
            yield TaggedOutput(ERRORS, (page.file, unusable(path, page, self._scale, error)))
            return
        self._images.inc()
        self._objects.inc(len(objects))
        self._full.inc(not objects.slots_left)
        yield TaggedOutput(COUNTS, count_row(page.file, objects))
        yield from (TaggedOutput(OBJECTS, row) for row in object_rows(page.file, objects))
        yield from (TaggedOutput(INSTANCES, row) for row in _instance_rows(page.file, objects))

    def _write_pictures(self, page: Page, objects: PictureObjects) -> None:
        with refuses_long_names():
            for path, contents in result_pictures(page.result_name, page.picture, objects.labels):
                write_file(FileSystems.join(self._folder, *path.split("/")), contents)


def _instance_rows(file: str, objects: PictureObjects) -> Iterator[tuple[Any, ...]]:
    for annotation in annotations(objects):
        height, width = annotation["segmentation"]["size"]
        row = {**annotation, "file": file, "height": height, "width": width}
        yield tuple({**row, "segmentation": row["segmentation"]["counts"]}[name] for name in _INSTANCES)
