"""The folder of predictions: tables, masks and overlays."""

import os
from typing import Any

import numpy as np

from tf_scenes.errors import UserError
from tf_scenes.files import write_whole
from tf_scenes.prediction.objects import PictureObjects
from tf_scenes.prediction.pages import refuses_long_names
from tf_scenes.prediction.pictures import result_pictures
from tf_scenes.prediction.tables import CountTable, Instances, ObjectTable


class Results:
    """The results of one prediction.

    Attributes:
        folder: Folder that they are written to.
        num_images: Number of images so far.
        num_objects: Number of objects in them.
    """

    def __init__(self, folder: str, about: dict[str, Any]):
        """Creates the folder if there is none. Older results stay until they are replaced, file by file.

        Args:
            folder: Folder of the results.
            about: What `instances.json` says about the prediction.

        Raises:
            UserError: If the folder cannot be written to.
        """
        self.folder, self.num_images, self.num_objects = folder, 0, 0
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise UserError(f"--predict_dir={folder} cannot be made: {error.strerror}") from error
        if not os.access(folder, os.W_OK):
            raise UserError(f"--predict_dir={folder} cannot be written to: permission is needed")
        self._tables = {
            "counts.csv": CountTable(),
            "objects.csv": ObjectTable(),
            "instances.json": Instances(about),
        }

    def add(self, file: str, result_name: str, picture: np.ndarray, objects: PictureObjects) -> None:
        """Writes an image's mask and overlay, and adds it to the tables.

        Args:
            file: What tables call the image.
            result_name: Path of its mask and its overlay in their folders, without extension, with `/`.
            picture: The image, uint8, uint16 or float32 `[height, width, 1 or 3]`.
            objects: The objects in it.

        Raises:
            UserError: If its name is too long for files of results.
        """
        with refuses_long_names():
            for path, contents in result_pictures(result_name, picture, objects.labels):
                self._save(path, contents)
        for table in self._tables.values():
            table.add(file, objects)
        self.num_images, self.num_objects = self.num_images + 1, self.num_objects + len(objects)

    def write_tables(self) -> None:
        """Writes the tables of all images so far."""
        for name, table in self._tables.items():
            table.write(os.path.join(self.folder, name))

    def _save(self, path: str, contents: bytes) -> None:
        write_whole(os.path.join(self.folder, *path.split("/")), lambda file: file.write(contents))
