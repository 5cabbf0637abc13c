"""Scenes of sprites on a canvas, with their ground truth.

A scene is a pure function of data set, seed, split and index: an index gives the same scene in every process and in any
order. So training data needs no files, can be sharded by index, and training can resume at an exact position.
"""

import dataclasses
import zlib
from collections.abc import Mapping, Sequence
from typing import Optional

import numpy as np
from scipy import ndimage

from tf_scenes.data.options import FRAMES, PIXELS, SUMS
from tf_scenes.data.sprites import SpriteBank
from tf_scenes.errors import UserError

# No training image may also be a held-out image. An image belongs to the held-out class if its checksum is a multiple
# of this number and to the training class otherwise; a scene whose image is in the wrong class is drawn again.
_HELD_OUT_ONE_IN = 4
_MAX_DRAWS = 1_000
_PLACE_ATTEMPTS = 64
# Largest share of an object's lit pixels that another object may cover where objects overlap.
_LARGEST_OVERLAP = 0.25


@dataclasses.dataclass(frozen=True)
class Split:
    """One split of a data set.

    Attributes:
        name: `train`, `test`, or e.g. `test_7` for scenes of 7 objects.
        size: Number of scenes.
        min_objects: Fewest objects in a scene.
        max_objects: Most objects in a scene; numbers of objects are uniform on the range.
        held_out: Whether the split is used for evaluation.
    """

    name: str
    size: int
    min_objects: int
    max_objects: int
    held_out: bool


@dataclasses.dataclass(frozen=True)
class Scene:
    """An image with its ground truth.

    Arrays are padded to the split's maximum number of objects: `labels` and `sprites` with -1, the others with 0.

    Attributes:
        image: Image, uint8 `[height, width, channels]`.
        count: Number of objects.
        centers: Middle of each object's box, float32 `[objects, 2]`, y then x in pixels, where 0 is the middle of the
            first pixel.
        boxes: Bounding box of each object's lit pixels, int32 `[objects, 4]`: ymin, xmin, ymax and xmax in pixels, the
            last two exclusive.
        labels: Label of each object, int32 `[objects]`.
        sprites: Index of each object's sprite in the bank, int32 `[objects]`.
        attributes: The bank's attributes of each object by name, `[count]` or `[count, k]`, not padded.
    """

    image: np.ndarray
    count: int
    centers: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    sprites: np.ndarray
    attributes: Mapping[str, np.ndarray]


class SceneGenerator:
    """Draws the scenes of one data set, by index."""

    def __init__(self, bank: SpriteBank, height: int, width: int, seed: int, spacing: str = FRAMES):
        """Creates the generator.

        Args:
            bank: Sprites that the scenes are composed of.
            height: Height of the canvas in pixels.
            width: Width of the canvas in pixels.
            seed: Seed of all scenes.
            spacing: How close objects may be, one of `options.SPACINGS`.

        Raises:
            UserError: If a sprite does not fit on the canvas.
        """
        largest = int(bank.frame_sizes.max())
        if largest > min(height, width):
            raise UserError(f"sprites of {largest} pixels do not fit on a canvas of {height} x {width}")
        self.bank = bank
        self.height = height
        self.width = width
        self.seed = seed
        self._spacing = spacing
        self._tight_boxes = _tight_boxes(bank.sprites)
        everything = np.arange(len(bank))
        held_out = bank.held_out
        self._allowed = {
            split_held_out: everything if held_out is None else everything[held_out == split_held_out]
            for split_held_out in (False, True)
        }

    def scene(self, split: Split, index: int) -> Scene:
        """The scene at an index of a split.

        No image is in both a training split and a held-out split, except the empty canvas, which is in every split that
        has scenes without objects.

        Raises:
            UserError: If the objects do not fit on the canvas.
        """
        key = [self.seed, zlib.crc32(split.name.encode()), index]
        random = np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
        count = int(random.integers(split.min_objects, split.max_objects + 1))
        allowed = self._allowed[split.held_out]
        for _ in range(_MAX_DRAWS):
            chosen = allowed[random.integers(len(allowed), size=count)]
            corners = self._place(random, chosen)
            if corners is None:
                continue
            image = self._draw(chosen, corners)
            held_out = zlib.crc32(image) % _HELD_OUT_ONE_IN == 0
            if count == 0 or held_out == split.held_out:
                return self._with_ground_truth(image, chosen, corners, split.max_objects)
        raise UserError(
            f"{count} objects of up to {int(self.bank.frame_sizes.max())} pixels do not fit on a canvas of "
            f"{self.height} x {self.width} with --spacing={self._spacing}: use a larger canvas "
            "(--image_size, --canvas_sizes) or fewer objects (--max_objects, --many_objects, --canvas_objects)"
        )

    def mask(self, scene: Scene) -> np.ndarray:
        """Which object of a scene each pixel belongs to.

        An object is what is above half of its sprite's brightest value, in any channel: as with the masks of models,
        and with smooth edges cut where a larger, sharp picture would have them.

        Returns:
            Mask, int32 `[height, width]`: i + 1 on object i of the scene, 0 elsewhere.
        """
        mask = np.zeros((self.height, self.width), np.int32)
        for i, sprite in enumerate(scene.sprites[: scene.count]):
            (y, x), frame = scene.boxes[i, :2] - self._tight_boxes[sprite, :2], self.bank.frame_sizes[sprite]
            light = self.bank.sprites[sprite, :frame, :frame].max(axis=-1)
            mask[y : y + frame, x : x + frame][light > light.max() / 2.0] = i + 1
        return mask

    def _place(self, random: np.random.Generator, chosen: np.ndarray) -> Optional[np.ndarray]:
        """Random top left corners that the spacing allows, `[objects, 2]`; None if none were found."""
        if self._spacing == FRAMES:
            return self._place_frames(random, self.bank.frame_sizes[chosen])
        corners, placed = np.zeros((len(chosen), 2), np.int64), []
        for i, sprite in enumerate(chosen):
            frame = self.bank.frame_sizes[sprite]
            positions = np.array([self.height, self.width]) - frame + 1
            for corner in (random.random((_PLACE_ATTEMPTS, 2)) * positions).astype(np.int64):
                drawn = self._draw([sprite], [corner])
                if self._may_join(drawn, placed):
                    break
            else:
                return None
            corners[i] = corner
            placed.append(drawn)
        return corners

    def _may_join(self, drawn: np.ndarray, placed: Sequence[np.ndarray]) -> bool:
        """Whether the spacing allows an object beside others, each drawn alone on a canvas."""
        if not placed:
            return True
        if self._spacing == SUMS:
            return int((np.sum(placed, axis=0, dtype=np.int32) + drawn).max()) <= 255
        lit, others = drawn.any(axis=-1), [other.any(axis=-1) for other in placed]
        if self._spacing == PIXELS:
            return not (ndimage.binary_dilation(lit, np.ones((3, 3))) & np.any(others, axis=0)).any()
        return all(np.sum(lit & other) <= _LARGEST_OVERLAP * min(lit.sum(), other.sum()) for other in others)

    def _place_frames(self, random: np.random.Generator, frames: np.ndarray) -> Optional[np.ndarray]:
        """Random top left corners at which no two frames overlap, `[objects, 2]`; None if none were found."""
        corners = np.zeros((len(frames), 2), np.int64)
        positions = np.array([self.height, self.width]) - frames[:, None] + 1  # [objects, 2], numbers of corners.
        for i, frame in enumerate(frames):
            tries = (random.random((_PLACE_ATTEMPTS, 2)) * positions[i]).astype(np.int64)
            gap_after = tries[:, None] >= corners[:i] + frames[:i, None]  # [attempts, placed, 2]
            gap_before = tries[:, None] + frame <= corners[:i]
            free = (gap_after | gap_before).any(axis=-1).all(axis=-1)
            first = int(free.argmax())
            if not free[first]:
                return None
            corners[i] = tries[first]
        return corners

    def _draw(self, chosen: Sequence[int], corners: Sequence[np.ndarray]) -> np.ndarray:
        image = np.zeros((self.height, self.width, self.bank.channels), np.uint8)
        for sprite, (y, x) in zip(chosen, corners):
            frame = self.bank.frame_sizes[sprite]
            place = image[y : y + frame, x : x + frame]
            place += np.minimum(self.bank.sprites[sprite, :frame, :frame], 255 - place)  # The sum, at most 255.
        return image

    def _with_ground_truth(self, image: np.ndarray, chosen: np.ndarray, corners: np.ndarray, max_objects: int) -> Scene:
        count = len(chosen)
        boxes = np.zeros((max_objects, 4), np.int32)
        boxes[:count] = self._tight_boxes[chosen] + np.tile(corners, 2)
        centers = np.zeros((max_objects, 2), np.float32)
        centers[:count] = (boxes[:count, :2] + boxes[:count, 2:] - 1) / 2.0
        labels = np.full(max_objects, -1, np.int32)
        labels[:count] = self.bank.labels[chosen]
        sprites = np.full(max_objects, -1, np.int32)
        sprites[:count] = chosen
        attributes = {name: values[chosen] for name, values in self.bank.attributes.items()}
        return Scene(image, count, centers, boxes, labels, sprites, attributes)


def _tight_boxes(sprites: np.ndarray) -> np.ndarray:
    """Bounding boxes of the lit pixels: int32 `[sprites, 4]`, ymin, xmin, ymax, xmax, the last two exclusive."""
    lit = sprites.any(axis=-1)  # [sprites, size, size]
    rows, columns = lit.any(axis=2), lit.any(axis=1)
    size = lit.shape[1]
    return np.stack(
        [
            rows.argmax(axis=1),
            columns.argmax(axis=1),
            size - rows[:, ::-1].argmax(axis=1),
            size - columns[:, ::-1].argmax(axis=1),
        ],
        axis=-1,
    ).astype(np.int32)
