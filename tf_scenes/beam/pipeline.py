"""The pipeline: from a pattern of picture files to tables."""

import csv
import dataclasses
import io
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import RunInference

from tf_scenes.beam.inference import EncoderHandler
from tf_scenes.beam.pictures import COUNTERS, ERRORS, FindPictures, ReadPictures, Search
from tf_scenes.beam.progress import Progress
from tf_scenes.beam.tables import COUNTS, INSTANCES, OBJECTS, DescribeObjects

# Tables that spreadsheets can read; the outlines of instances are for programs.
CSV_TABLES = (COUNTS, OBJECTS, ERRORS)


@dataclasses.dataclass(frozen=True)
class Output:
    """What is written, and where.

    Attributes:
        folder: Folder of the results, on any of Beam's file systems.
        shards: Number of files of each table.
        csv: Whether tables are also written as one CSV file each.
        pictures: Whether masks and overlays are written.
    """

    folder: str
    shards: int
    csv: bool
    pictures: bool


def add_prediction(
    pipeline: beam.Pipeline,
    progress: Progress,
    search: Search,
    handler: EncoderHandler,
    schemas: dict[str, pa.Schema],
    output: Output,
) -> None:
    """Adds all steps to a pipeline: finds pictures, reads them, finds objects in them, and writes tables.

    Args:
        pipeline: The pipeline.
        progress: Where picture files are counted.
        search: Where the pictures are.
        handler: What loads and runs the encoder.
        schemas: Columns of the tables, by name.
        output: What is written.
    """
    found = pipeline | "Find pictures" >> FindPictures(search, progress)
    read = found["pictures"] | "Read pictures" >> beam.ParDo(ReadPictures(progress)).with_outputs(ERRORS, main="images")
    describe = beam.ParDo(DescribeObjects(output.folder, output.pictures, handler.scale))
    described = (
        read.images
        | "Find objects" >> RunInference(handler)
        | "Describe objects" >> describe.with_outputs(COUNTS, OBJECTS, INSTANCES, ERRORS)
    )
    errors = (
        (found[ERRORS], read[ERRORS], described[ERRORS]) | "All errors" >> beam.Flatten() | beam.ParDo(_Count(ERRORS))
    )
    tables = {COUNTS: described[COUNTS], OBJECTS: described[OBJECTS], INSTANCES: described[INSTANCES], ERRORS: errors}
    for name, rows in tables.items():
        _ = rows | f"Write {name}" >> _WriteTable(name, schemas[name], output)


class _Count(beam.DoFn):
    """Counts elements."""

    def __init__(self, name: str):
        super().__init__()
        self._counter = Metrics.counter(COUNTERS, name)

    def process(self, element: Any) -> Iterator[Any]:
        self._counter.inc()
        yield element


class _WriteTable(beam.PTransform):
    """Writes rows, which are tuples, as Parquet files and, if asked, as one CSV file.

    Files appear whole: an interrupted pipeline can be started again, once `delete_tables` has deleted those before.
    """

    def __init__(self, name: str, schema: pa.Schema, output: Output):
        super().__init__()
        self._name, self._schema, self._output = name, schema, output

    def expand(self, rows: beam.PCollection) -> None:
        names, path = tuple(self._schema.names), FileSystems.join(self._output.folder, self._name)
        _ = (
            rows
            | "By column" >> beam.Map(lambda row: dict(zip(names, row)))
            | "Parquet"
            >> beam.io.WriteToParquet(
                path, self._schema, codec="zstd", file_name_suffix=".parquet", num_shards=self._output.shards
            )
        )
        if self._output.csv and self._name in CSV_TABLES:
            _ = (
                rows
                | "As text" >> beam.Map(_csv_line)
                | "CSV"
                >> beam.io.WriteToText(
                    path, ".csv", num_shards=1, shard_name_template="", header=_csv_line(self._schema.names)
                )
            )


def _csv_line(row: tuple[Any, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(row)  # A line's end within a value is quoted only if it is known.
    return line.getvalue()[:-1]
