"""Tables and annotations that grow picture by picture, in temporary files, and appear whole at the end."""

import csv
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, TextIO

import numpy as np
from pycocotools import mask as coco_mask

from tf_scenes.files import write_whole
from tf_scenes.prediction.objects import PictureObjects

COUNT_COLUMNS = ("file", "num_objects")
_OBJECTS = ("file", "object", "y", "x", "ymin", "xmin", "ymax", "xmax", "area")


def count_row(file: str, objects: PictureObjects) -> tuple[str, int]:
    """The row of an image in the table of counts, in the order of `COUNT_COLUMNS`."""
    return file, len(objects)


def object_columns(objects: PictureObjects) -> tuple[str, ...]:
    """The columns of the table of objects, in which what the model says follows what is measured on the masks."""
    return (*_OBJECTS, *objects.fields)


def object_rows(file: str, objects: PictureObjects) -> Iterator[tuple[Any, ...]]:
    """The rows of an image's objects in the table of objects, in the order of `object_columns`."""
    columns = (*objects.centroids.T, *objects.boxes.T, objects.areas, *objects.fields.values())
    for number, values in enumerate(zip(*columns), start=1):
        yield (file, number, *map(_plain, values))


def annotations(objects: PictureObjects) -> Iterator[dict[str, Any]]:
    """COCO's annotation of each object, without numbers of the annotation and of the image; `category` is a name."""
    for number, (box, area, category) in enumerate(
        zip(objects.boxes.tolist(), objects.areas.tolist(), objects.categories.tolist()), start=1
    ):
        ymin, xmin, ymax, xmax = box
        yield {
            "category_id": category + 1,
            "category": f"category {category}" if objects.has_categories else "object",
            "bbox": [xmin, ymin, xmax - xmin, ymax - ymin],
            "area": area,
            "segmentation": _run_lengths(objects, number),
            "iscrowd": 0,
            "object": number,
        }


class CountTable:
    """Rows of `counts.csv`."""

    def __init__(self):
        self._rows = _Rows(COUNT_COLUMNS)

    def add(self, file: str, objects: PictureObjects) -> None:
        """Adds the row of an image, which tables call `file`."""
        self._rows.add([count_row(file, objects)])

    def write(self, path: str) -> None:
        """Writes the table."""
        self._rows.write(path)


class ObjectTable:
    """Rows of `objects.csv`."""

    def __init__(self):
        self._rows = _Rows(_OBJECTS)

    def add(self, file: str, objects: PictureObjects) -> None:
        """Adds the rows of an image's objects; all images are of one model, so that all have the same columns."""
        self._rows.columns = object_columns(objects)
        self._rows.add(object_rows(file, objects))

    def write(self, path: str) -> None:
        """Writes the table."""
        self._rows.write(path)


class Instances:
    """`instances.json`: images and their objects in the format of the COCO data set, https://cocodataset.org."""

    def __init__(self, about: dict[str, Any]):
        """Begins without any image.

        Args:
            about: What stands under `info`.
        """
        self._about = about
        self._images, self._annotations = _JsonList(), _JsonList()
        self._categories: dict[int, str] = {}

    def add(self, file: str, objects: PictureObjects) -> None:
        """Adds an image, which tables call `file`, and its objects."""
        height, width = map(int, objects.labels.shape)
        self._images.add({"id": 1 + self._images.length, "file_name": file, "height": height, "width": width})
        for annotation in annotations(objects):
            self._categories[annotation["category_id"]] = annotation.pop("category")
            own = {"id": 1 + self._annotations.length, "image_id": self._images.length}
            self._annotations.add({**own, **annotation})

    def write(self, path: str) -> None:
        """Writes the file."""
        categories = [{"id": each, "name": self._categories[each]} for each in sorted(self._categories)]
        categories = categories or [{"id": 1, "name": "object"}]

        def write(file: BinaryIO) -> None:
            file.write(f'{{"info": {json.dumps(self._about)},\n"categories": {json.dumps(categories)}'.encode())
            for name, values in (("images", self._images), ("annotations", self._annotations)):
                file.write(f',\n"{name}": [\n'.encode())
                values.copy_to(file)
                file.write(b"]")
            file.write(b"}\n")

        write_whole(path, write)


def _run_lengths(objects: PictureObjects, number: int) -> dict[str, Any]:
    """COCO's compressed run-length encoding of an object's mask, column by column.

    Runs are found within the object's box: pycocotools looks at the whole picture for each mask, which takes minutes
    for a large one with thousands of objects.
    """
    height, width = map(int, objects.labels.shape)
    ymin, xmin, ymax, xmax = objects.boxes[number - 1]
    own = objects.labels[ymin:ymax, xmin:xmax] == number
    columns, rows = np.nonzero(own.T)
    places = (columns + xmin) * height + rows + ymin
    gaps = np.flatnonzero(np.diff(places) > 1)
    starts, ends = places[np.r_[0, gaps + 1]], places[np.r_[gaps, -1]] + 1
    edges = np.stack([starts, ends], axis=-1).ravel()
    lengths = np.diff(np.r_[0, edges, height * width]).tolist()  # Without, with, without ... the object.
    if not lengths[-1]:
        del lengths[-1]
    encoded = coco_mask.frPyObjects({"size": [height, width], "counts": lengths}, height, width)
    return {"size": [height, width], "counts": encoded["counts"].decode("ascii")}


def _plain(value: np.number) -> Any:
    """A number as it stands in a table: without the last bits, in which the same computations differ."""
    return float(f"{value:.6g}") if np.issubdtype(value.dtype, np.floating) else int(value)


class _Spool:
    """Text in a temporary file, which vanishes with the object."""

    def __init__(self):
        # Names of files need not be UTF-8.
        options = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
        self.text: TextIO = tempfile.TemporaryFile("w+", **options)  # noqa: SIM115 - grows call by call.

    def copy_to(self, file: BinaryIO) -> None:
        self.text.seek(0)
        shutil.copyfileobj(self.text.buffer, file)


class _Rows:
    """Rows of a table, whose columns may be named later."""

    def __init__(self, columns: Sequence[str]):
        self.columns = columns
        self._spool = _Spool()

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        csv.writer(self._spool.text, lineterminator="\n").writerows(rows)

    def write(self, path: str) -> None:
        def write(file: BinaryIO) -> None:
            file.write((",".join(self.columns) + "\n").encode())
            self._spool.copy_to(file)

        write_whole(path, write)


class _JsonList:
    """Values of a JSON list, one a line."""

    def __init__(self):
        self.length = 0
        self._spool = _Spool()

    def add(self, value: dict[str, Any]) -> None:
        self._spool.text.write((",\n" if self.length else "") + json.dumps(value))
        self.length += 1

    def copy_to(self, file: BinaryIO) -> None:
        self._spool.copy_to(file)
