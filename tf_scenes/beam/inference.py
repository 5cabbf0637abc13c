"""The exported encoder as a model of Beam's RunInference."""

import posixpath
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np
import tensorflow as tf
from apache_beam.ml.inference.base import ModelHandler
from typing_extensions import override

from tf_scenes.beam.filesystems import local_folder
from tf_scenes.beam.pictures import ReadPage
from tf_scenes.descriptions import Description
from tf_scenes.errors import UserError
from tf_scenes.prediction.pages import Page, unusable
from tf_scenes.prediction.pictures import as_model_input
from tf_scenes.serving.exported_encoder import ExportedEncoder

# Pixels of the images that wait for the encoder together: 16 images of 512 x 512. Larger ones go alone.
_PIXELS_TOGETHER = 2**22
# What an image counts for at least, since each also has as many objects as the encoder looks for: 64 go together.
_LEAST_PIXELS = 2**16


class SegmentedPage(NamedTuple):
    """What the encoder says of an image.

    Attributes:
        path: Path of its file.
        page: The image.
        description: Its scene description with masks, `[1, ...]` each; None if the image cannot be used.
        reason: Why it cannot.
    """

    path: str
    page: Page
    description: Optional[Description]
    reason: str = ""


class EncoderHandler(ModelHandler[ReadPage, SegmentedPage, ExportedEncoder]):
    """Loads an exported encoder once in each process, and shows it images of one size together.

    Attributes:
        scale: Factor by which pictures are resized before the model sees them.
    """

    def __init__(self, folder: str, encoder: str, scale: float):
        """Creates the handler.

        Args:
            folder: Folder of the exported model, on a file system that all workers see.
            encoder: Path of the encoder's version in it, such as `encoder/1`.
            scale: Factor to resize pictures by before the model sees them.
        """
        # A fixed size: Beam would otherwise search for the best one by time, and time differs.
        super().__init__(
            min_batch_size=_PIXELS_TOGETHER, max_batch_size=_PIXELS_TOGETHER, element_size_fn=_PixelsAtScale(scale)
        )
        self._folder, self._encoder, self.scale = folder, encoder, scale

    @override
    def load_model(self) -> ExportedEncoder:
        with local_folder(posixpath.join(self._folder, self._encoder)) as path:
            return ExportedEncoder(path, self._folder)

    @override
    def run_inference(
        self, batch: Sequence[ReadPage], model: ExportedEncoder, inference_args: Optional[dict[str, Any]] = None
    ) -> Iterator[SegmentedPage]:
        by_shape: dict[tuple[int, ...], list[tuple[ReadPage, np.ndarray]]] = {}
        for read in batch:
            try:
                image = as_model_input(read.page.picture, model.channels, self.scale)
            except (UserError, MemoryError) as error:
                yield self._unusable(read, error)
                continue
            by_shape.setdefault(image.shape, []).append((read, image))
        for group in by_shape.values():
            yield from self._segmented(group, model)

    def _segmented(self, group: list[tuple[ReadPage, np.ndarray]], model: ExportedEncoder) -> Iterator[SegmentedPage]:
        """Segments images of one size; one by one, if together they cannot be."""
        try:
            description = model.segment(np.concatenate([image for _, image in group]))
        except (UserError, tf.errors.OpError, MemoryError) as error:
            if len(group) == 1:
                yield self._unusable(group[0][0], error)
                return
            for one in group:
                yield from self._segmented([one], model)
            return
        for place, (read, _) in enumerate(group):
            yield SegmentedPage(*read, {name: values[place : place + 1] for name, values in description.items()})

    def _unusable(self, read: ReadPage, error: Exception) -> SegmentedPage:
        return SegmentedPage(*read, None, unusable(read.path, read.page, self.scale, error))

    @override
    def get_num_bytes(self, batch: Sequence[ReadPage]) -> int:
        return sum(read.page.picture.nbytes for read in batch)

    @override
    def get_metrics_namespace(self) -> str:
        return "tf_scenes.encoder"


class _PixelsAtScale(NamedTuple):
    """Number of pixels of an image, or of the resized one if those are more: both wait in memory."""

    scale: float

    def __call__(self, read: ReadPage) -> int:
        height, width = read.page.picture.shape[:2]
        return max(_LEAST_PIXELS, round(height * width * max(1.0, self.scale**2)))
