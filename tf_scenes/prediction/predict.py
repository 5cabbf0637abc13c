"""Finding the objects in picture files, one image at a time."""

import sys

import tensorflow as tf
from tqdm import tqdm

from tf_scenes.descriptions import PRESENCE
from tf_scenes.errors import UserError
from tf_scenes.prediction.inputs import PictureFile, ResultNames
from tf_scenes.prediction.objects import full_slots_warning, picture_objects
from tf_scenes.prediction.pages import Page, read_pages, unusable
from tf_scenes.prediction.pictures import as_model_input
from tf_scenes.prediction.results import Results
from tf_scenes.prediction.segmenters import Segmenter


def predict(segmenter: Segmenter, files: list[PictureFile], scale: float, results: Results) -> list[str]:
    """Finds the objects in all images and writes what is found; shows progress and problems on standard error.

    Files that cannot be read, and images that the model does not take, are named and skipped. However it ends, the
    tables hold every image that was finished.

    Args:
        segmenter: Model that finds objects.
        files: Picture files; each page of a TIFF file is an image.
        scale: Factor to resize pictures by before the model sees them.
        results: Where results are written.

    Returns:
        The files and pages that were skipped, by the names that they have in tables.
    """
    prediction = _Prediction(segmenter, scale, results)
    names = ResultNames(files)
    try:
        with tqdm(files, unit="file", dynamic_ncols=True, file=sys.stderr) as progress:
            for file in progress:
                prediction.add_file(file, names)
                progress.set_postfix(images=results.num_images, objects=results.num_objects)
    finally:
        results.write_tables()
    prediction.warn_of_full_slots()
    return prediction.skipped


class _Prediction:
    """A prediction under way.

    Attributes:
        skipped: What was skipped so far, see `predict`.
    """

    def __init__(self, segmenter: Segmenter, scale: float, results: Results):
        self.skipped: list[str] = []
        self._segmenter, self._scale, self._results = segmenter, scale, results
        self._said: set[str] = set()
        self._full, self._slots = 0, 0

    def add_file(self, file: PictureFile, names: ResultNames) -> None:
        try:
            pages, transparent = read_pages(file, names)
        except UserError as error:
            self._skip(file.name, str(error))
            return
        if transparent:
            self._say_once("Note: transparent pixels, as in {}, are drawn over black", file.name)
        for page in pages:
            try:
                self._add_page(page)
            except (UserError, tf.errors.OpError, MemoryError) as error:
                self._skip(page.file, unusable(file.path, page, self._scale, error))

    def _add_page(self, page: Page) -> None:
        if page.picture.shape[-1] != self._segmenter.channels:
            self._say_once(_COLOR_NOTES[self._segmenter.channels], page.file)
        image = as_model_input(page.picture, self._segmenter.channels, self._scale)
        description = self._segmenter.segment(image)
        objects = picture_objects(description, *page.picture.shape[:2])
        self._full += not objects.slots_left
        self._slots = description[PRESENCE].shape[1]
        self._results.add(page.file, page.result_name, page.picture, objects)

    def warn_of_full_slots(self) -> None:
        if self._full:
            _say(full_slots_warning(self._full, self._slots))

    def _say_once(self, note: str, file: str) -> None:
        """Says a note with the first file that it is about."""
        if note not in self._said:
            self._said.add(note)
            _say(note.format(file))

    def _skip(self, name: str, reason: str) -> None:
        self.skipped.append(name)
        _say(f"Skipped: {reason}")


# By the number of the model's channels.
_COLOR_NOTES = {
    1: "Note: the model is for grey pictures; of coloured ones, such as {}, it sees how bright they are",
    3: "Note: the model is for coloured pictures; grey ones, such as {}, get three equal channels",
}


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
