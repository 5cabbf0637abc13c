"""Trained runs and exported models in Python: NumPy in, NumPy out."""

import abc
import functools
import operator
import os
from collections.abc import Callable, Mapping
from typing import Any, Optional, Union

import numpy as np
import tensorflow as tf
from typing_extensions import override

from tf_scenes.app.build import restored_model
from tf_scenes.app.resources import require_memory
from tf_scenes.app.run_folder import read_report
from tf_scenes.config import RUN_FLAGS, config_of_values, flags_of_run
from tf_scenes.descriptions import (
    BOXES,
    LARGEST_SIDE,
    MASKS,
    PRESENCE,
    SMALLEST_SIDE,
    Description,
    as_arrays,
    as_tensors,
    decoded,
)
from tf_scenes.errors import UserError
from tf_scenes.files import folders_holding
from tf_scenes.prediction.segmenters import TrainedSegmenter
from tf_scenes.serving.checks import checked_description
from tf_scenes.serving.exported import ExportedModel
from tf_scenes.serving.exported_encoder import refusal_as_user_error
from tf_scenes.serving.signatures import specs_of_scenes
from tf_scenes.serving.versions import PARTS

# Images that are inferred at once; more are taken in turns.
_BATCH = 64


def load(folder: Union[str, os.PathLike]) -> "LoadedModel":
    """Loads a trained run (`runs/lavae`) or an exported model (`saved_models/lavae`).

    Args:
        folder: Folder of the run, or with `encoder/` and `decoder/`.

    Raises:
        UserError: If the folder holds neither, or what it holds cannot be read.
    """
    folder = os.fspath(folder)
    if all(os.path.isdir(os.path.join(folder, part)) for part in PARTS):
        return _Exported(folder)
    if os.path.exists(os.path.join(folder, RUN_FLAGS)):
        return _Trained(folder)
    inside = folders_holding(folder, PARTS[0])
    hint = f"; folders in it are: {', '.join(inside)}" if inside else ""
    raise UserError(
        f"{folder} is neither the folder of a run, with flags.json and checkpoints/, nor that of an exported model, "
        f"with encoder/ and decoder/{hint}"
    )


class LoadedModel(abc.ABC):
    """A model that describes images by scenes, and draws scenes.

    A scene, or a batch of scenes, is a dictionary of arrays by name, see docs/serving.md. Wherever images are an
    argument, they are `[batch, height, width, channels]`, or `[batch, height, width]` if they are grey, uint8 or floats
    in [0, 1], of any height, width and number.

    Attributes:
        channels: Number of channels of the images.
        finds_objects: Whether the model finds objects.
    """

    channels: int
    finds_objects: bool
    # What the fields are that are drawn, by name; of each shape only the rank and the size of vectors matter.
    _decoded_fields: Mapping[str, tf.TensorSpec]

    @abc.abstractmethod
    def _describe(self, images: np.ndarray) -> Description:
        """Scene descriptions of a batch, with boxes if there are any."""

    @abc.abstractmethod
    def _segment(self, images: np.ndarray) -> Description:
        """The same, with masks."""

    @abc.abstractmethod
    def _draw(self, scene: Description, size: Optional[tuple[int, int]]) -> np.ndarray:
        """Images of a batch of scenes, of a height and width, or of those of the training images."""

    def encode(self, images: np.ndarray) -> Description:
        """The most likely scene of each image.

        Args:
            images: Images, uint8 or floats in [0, 1] `[batch, height, width, channels]`; without `channels` if grey.

        Returns:
            Arrays by field, in which slots that hold no object are 0: of models that find objects `num_objects`, int32
            `[batch]`; `presence`, float32 `[batch, slots]`, 1 where a slot holds an object; `locations`, float32
            `[batch, slots, 2]`, y and x in pixels; `boxes`, float32 `[batch, slots, 4]`, as parts of the image's height
            and width; and what the model says besides, such as `appearance` or `category`, see docs/serving.md.

        Raises:
            UserError: If the images are not of a kind that the model takes.
        """
        return _in_turns(self._describe, self._as_floats(images))

    def decode(
        self, scene: Mapping[str, np.ndarray], height: Optional[int] = None, width: Optional[int] = None
    ) -> np.ndarray:
        """Draws scenes: float32 `[batch, height, width, channels]` in [0, 1].

        Args:
            scene: Scenes as `encode` returns them, perhaps changed; only the fields that are drawn matter.
            height: Height of the images in pixels; by default that of the training images.
            width: Width of the images in pixels; given if the height is.

        Raises:
            UserError: If a field is missing or of another kind than `encode` returns, or only one of height and width
                is given.
        """
        missing = [name for name in self._decoded_fields if name not in scene]
        if missing:
            raise UserError(
                f"the scene lacks {', '.join(missing)}: pass a dictionary as encode returns it, with the fields "
                f"{', '.join(self._decoded_fields)}"
            )
        if (height is None) != (width is None):
            raise UserError("decode takes both height and width, or neither")
        size = None if height is None else (_as_side("height", height), _as_side("width", width))
        drawn = {name: _as_field(name, scene[name], spec) for name, spec in self._decoded_fields.items()}
        if len({len(values) for values in drawn.values()}) > 1:
            lengths = ", ".join(f"{name} {len(values)}" for name, values in drawn.items())
            raise UserError(f"the fields of the scene are of different numbers of images: {lengths}")
        if size:
            scenes = len(next(iter(drawn.values())))
            require_memory(scenes, (*size, self.channels), "scenes")
        return _in_turns(lambda part: {"images": self._draw(part, size)}, drawn)["images"]

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """What the model makes of images: float32 `[batch, height, width, channels]` in [0, 1]."""
        images = self._as_floats(images)
        return self.decode(self.encode(images), *images.shape[1:3])

    def boxes(self, images: np.ndarray) -> list[np.ndarray]:
        """The boxes of each image's objects: float32 `[objects, 4]`; ymin, xmin, ymax, xmax in pixels.

        Raises:
            UserError: If the model does not find objects.
        """
        self._require_objects()
        images = self._as_floats(images)
        scene, (height, width) = self.encode(images), images.shape[1:3]
        in_pixels = scene[BOXES] * np.float32([height, width, height, width])
        return [boxes[present > 0.5] for boxes, present in zip(in_pixels, scene[PRESENCE])]

    def masks(self, images: np.ndarray) -> np.ndarray:
        """Which object each pixel belongs to: int32 `[batch, height, width]`; 0 for none, i for the i-th object.

        Raises:
            UserError: If the model does not find objects.
        """
        self._require_objects()
        return _in_turns(lambda part: {MASKS: self._segment(part)[MASKS]}, self._as_floats(images))[MASKS]

    def _require_objects(self) -> None:
        if not self.finds_objects:
            raise UserError("this model does not find objects: it has neither boxes nor masks")

    def _as_floats(self, images: np.ndarray) -> np.ndarray:
        images = np.asarray(images)
        if images.ndim == 3 and self.channels == 1:
            images = images[..., None]
        if images.ndim != 4 or images.shape[-1] != self.channels or min(images.shape[1:3]) < SMALLEST_SIDE:
            raise UserError(
                f"images must be [batch, height, width, {self.channels}], at least {SMALLEST_SIDE} pixels high and "
                f"wide; these are {list(images.shape)}"
            )
        if images.dtype == np.uint8:
            return images / np.float32(255)
        if not np.issubdtype(images.dtype, np.floating) or not (
            images.size == 0 or 0 <= images.min() <= images.max() <= 1
        ):
            raise UserError("images must be uint8, or floats from 0 to 1")
        return images.astype(np.float32)


class _Exported(LoadedModel):
    """An exported model."""

    def __init__(self, folder: str):
        self._model = ExportedModel(folder)
        self.channels, self.finds_objects = self._model.channels, self._model.finds_objects
        self._decoded_fields = self._model.decoded_fields

    @override
    def _describe(self, images: np.ndarray) -> Description:
        return self._model.encode(images)

    @override
    def _segment(self, images: np.ndarray) -> Description:
        self._model.require_masks()
        return self._model.segment(images)

    @override
    def _draw(self, scene: Description, size: Optional[tuple[int, int]]) -> np.ndarray:
        return self._model.decode(scene, *size) if size else self._model.decode_at_training_size(scene)


class _Trained(LoadedModel):
    """A run's trained model."""

    def __init__(self, folder: str):
        report = read_report(os.path.join(folder, "report.json"))
        config = config_of_values({**flags_of_run(folder), **report.get("inference_flags", {})})
        model, shape = restored_model(folder, config)
        self.channels, self.finds_objects = shape[-1], model.finds_objects
        self._model, self._segmenter, self._size = model, TrainedSegmenter(model, shape[-1]), shape[:2]
        example = model.sample_description(1, *shape[:2], tf.constant([0, 0]))
        fields = sorted(decoded(example).items())
        self._decoded_fields = {name: tf.TensorSpec([None, *value.shape[1:]], value.dtype) for name, value in fields}

        # One graph for images of all sizes.
        @tf.function(input_signature=[tf.TensorSpec([None, None, None, shape[-1]])], autograph=False)
        def describe(images: tf.Tensor) -> dict[str, tf.Tensor]:
            description = model.encode(images)
            return {**description, **model.geometry(description, *tf.unstack(tf.shape(images)[1:3]))}

        self._described = describe

    @functools.cached_property
    def _drawn(self) -> tf.types.experimental.ConcreteFunction:
        """One graph for scenes and images of all sizes, with the checks of an exported decoder."""
        model, side = self._model, tf.TensorSpec([], tf.int32)

        @tf.function(autograph=False)
        def draw(height: tf.Tensor, width: tf.Tensor, **scene: tf.Tensor) -> tf.Tensor:
            return model.decode(checked_description(scene, model.num_categories), height, width)

        inferred = self._described.get_concrete_function().structured_outputs
        return draw.get_concrete_function(height=side, width=side, **specs_of_scenes(inferred))

    @override
    def _describe(self, images: np.ndarray) -> Description:
        return as_arrays(self._described(images))

    @override
    def _segment(self, images: np.ndarray) -> Description:
        return self._segmenter.segment(images)

    @override
    def _draw(self, scene: Description, size: Optional[tuple[int, int]]) -> np.ndarray:
        height, width = map(tf.constant, size or self._size)
        with refusal_as_user_error("model"):
            return self._drawn(height=height, width=width, **as_tensors(scene)).numpy()


def _as_side(name: str, value: Any) -> int:
    """A height or width as a number.

    Raises:
        UserError: If it is none, or out of bounds.
    """
    try:
        side = operator.index(value)
    except TypeError as error:
        raise UserError(f"{name}={value!r} must be a whole number of pixels") from error
    if not SMALLEST_SIDE <= side <= LARGEST_SIDE:
        raise UserError(f"{name}={side} must be from {SMALLEST_SIDE} to {LARGEST_SIDE:,} pixels")
    return side


def _as_field(name: str, values: Any, spec: tf.TensorSpec) -> np.ndarray:
    """A field of a scene as the decoder takes it.

    Raises:
        UserError: If it has another rank, vectors of another size, or values of another kind.
    """
    values, wanted = np.asarray(values), spec.dtype.as_numpy_dtype
    vectors = spec.shape[-1] if spec.shape.rank > 2 else None
    fits = values.ndim == spec.shape.rank and (vectors is None or values.shape[-1] == vectors)
    if not fits or not np.can_cast(values.dtype, wanted, "same_kind"):
        raise UserError(
            f"the scene's {name} must be as encode returns it, {spec.dtype.name} with {spec.shape.rank} axes"
            f"{f' and {vectors} values in the last' if vectors else ''}: it is {values.dtype} {list(values.shape)}"
        )
    return values.astype(wanted)


def _in_turns(function: Callable[[Any], Description], values: Any) -> Description:
    """Calls a function on parts of a batch, an array or arrays by name, and joins what it returns."""
    by_name = values if isinstance(values, Mapping) else {"": values}
    count = len(next(iter(by_name.values())))
    if not count:  # Convolutions take no empty batches.
        by_name = {name: np.zeros((1, *each.shape[1:]), each.dtype) for name, each in by_name.items()}
    results = []
    for first in range(0, max(count, 1), _BATCH):
        part = {name: each[first : first + _BATCH] for name, each in by_name.items()}
        results.append(function(part if isinstance(values, Mapping) else part[""]))
    return {name: np.concatenate([each[name] for each in results])[:count] for name in results[0]}
