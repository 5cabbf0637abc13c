"""Banks of sprites, from which scenes are composed.

A bank is a fixed array of small images with labels and attributes. There are banks of MNIST digits and of the
handwritten digits that come with scikit-learn, both binary or grey, of coloured or grey shapes, and of sprites from a
user's own file.
"""

import dataclasses
import types
import zlib
from collections.abc import Mapping, Sequence
from typing import Optional

import numpy as np
from PIL import Image, ImageDraw

from tf_scenes.array_files import read_arrays
from tf_scenes.data import user_arrays
from tf_scenes.data.mnist import Digits, load_mnist
from tf_scenes.errors import UserError

SHAPE_NAMES = ("square", "ellipse", "triangle")
SHAPE_SCALES = np.linspace(0.5, 1.0, 6)
SHAPE_ANGLES = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)
# All saturated colours except black, as RGB bits: LAVAE, section 3.2.
SHAPE_COLORS = tuple((code >> 2 & 1, code >> 1 & 1, code & 1) for code in range(1, 8))

_SUPERSAMPLING = 8
_MNIST_POOL_SEED = 1905
_DIGITS_HELD_OUT_ONE_IN = 10
# There is a name for each label up to the largest.
_LARGEST_LABEL = 9_999
_DIGIT_NAMES = tuple(str(digit) for digit in range(10))
# Number of sprites, at least, in the bank of digits of random sizes.
_SCALED_DIGITS = 140_000


@dataclasses.dataclass(frozen=True)
class SpriteBank:
    """Sprites with their labels.

    Attributes:
        sprites: Images, uint8 `[sprites, size, size, channels]`; binary banks hold 0 and 255 only. Each sprite's frame
            is in the top left corner and the rest is 0.
        frame_sizes: Side of each sprite's square frame in pixels, int32 `[sprites]`. In scenes, frames are inside the
            canvas and do not overlap.
        labels: Index of each sprite's label in `label_names`, int32 `[sprites]`.
        label_names: Name of each label.
        attributes: Further ground truth by name, `[sprites]` or `[sprites, k]`.
        held_out: Whether each sprite is for held-out scenes, bool `[sprites]`; training scenes use the other sprites.
            None: all scenes use all sprites.
        origin: How many digits there are, and where they come from; None for drawn shapes.
    """

    sprites: np.ndarray
    frame_sizes: np.ndarray
    labels: np.ndarray
    label_names: Sequence[str]
    attributes: Mapping[str, np.ndarray] = dataclasses.field(default_factory=lambda: types.MappingProxyType({}))
    held_out: Optional[np.ndarray] = None
    origin: Optional[str] = None

    @property
    def channels(self) -> int:
        """Number of channels of the sprites: 1 or 3."""
        return self.sprites.shape[-1]

    def __len__(self) -> int:
        return len(self.sprites)


def shapes(size: int = 18) -> SpriteBank:
    """Squares, ellipses and triangles: LAVAE, section 3.2.

    All 5,040 combinations of 3 shapes, 6 scales in [0.5, 1], 40 angles in [0, 2 pi), clockwise in the image, and 7
    saturated colours. A shape is inscribed in the incircle of its frame, so that it fits at every angle; the side of
    the frame in pixels is `scale` times `size`.

    Args:
        size: Side of the largest frame in pixels, at least 8.
    """
    sprites, frames, labels, scales, angles, colors = [], [], [], [], [], []
    for label in range(len(SHAPE_NAMES)):
        for scale in SHAPE_SCALES:
            frame = round(float(scale) * size)
            for angle in SHAPE_ANGLES:
                mask = _draw_shape(SHAPE_NAMES[label], frame, angle)
                mask = np.pad(mask, ((0, size - frame), (0, size - frame)))
                for color in SHAPE_COLORS:
                    sprites.append(mask[..., None] * np.asarray(color, np.uint8))
                    frames.append(frame)
                    labels.append(label)
                    scales.append(scale)
                    angles.append(angle)
                    colors.append(color)
    attributes = {
        "scale": np.asarray(scales, np.float32),
        "angle": np.asarray(angles, np.float32),
        "color": np.asarray(colors, np.int32),
    }
    return SpriteBank(
        sprites=np.stack(sprites),
        frame_sizes=np.asarray(frames, np.int32),
        labels=np.asarray(labels, np.int32),
        label_names=SHAPE_NAMES,
        attributes=types.MappingProxyType(attributes),
    )


def grey_shapes(size: int = 24) -> SpriteBank:
    """Squares, ellipses and triangles in white with smooth edges: Multi-Sprites of Discrete-AIR, section 4.1.

    The paper draws sizes and orientations uniformly and gives no further details. Here the frame's side takes every
    whole number of pixels from half of `size` to `size`, and there are 72 angles; a shape is inscribed in the incircle
    of its frame.

    Args:
        size: Side of the largest frame in pixels, at least 8.
    """
    angles = np.linspace(0.0, 2.0 * np.pi, 72, endpoint=False)
    frames = np.arange(-(-size // 2), size + 1)
    combinations = [(label, frame, angle) for label in range(len(SHAPE_NAMES)) for frame in frames for angle in angles]
    labels, frame_sizes, sprite_angles = (np.array(column) for column in zip(*combinations))
    sprites = [
        np.pad(_smooth_shape(SHAPE_NAMES[label], frame, angle), ((0, size - frame), (0, size - frame)))
        for label, frame, angle in combinations
    ]
    attributes = {"scale": (frame_sizes / size).astype(np.float32), "angle": sprite_angles.astype(np.float32)}
    return SpriteBank(
        sprites=np.stack(sprites)[..., None],
        frame_sizes=frame_sizes.astype(np.int32),
        labels=labels.astype(np.int32),
        label_names=SHAPE_NAMES,
        attributes=types.MappingProxyType(attributes),
    )


def _draw_shape(name: str, frame: int, angle: float) -> np.ndarray:
    """A shape inscribed in the incircle of its frame and rotated by `angle`: uint8 `[frame, frame]`, 0 or 255."""
    return np.where(_smooth_shape(name, frame, angle) >= 128, 255, 0).astype(np.uint8)


def _smooth_shape(name: str, frame: int, angle: float) -> np.ndarray:
    """The shape of `_draw_shape` with smooth edges: uint8 `[frame, frame]`."""
    big = frame * _SUPERSAMPLING
    center, radius = (big - 1) / 2.0, big / 2.0
    image = Image.new("L", (big, big))
    draw = ImageDraw.Draw(image)
    draw.polygon([tuple(center + radius * point) for point in _outline(name, angle)], fill=255)
    return np.asarray(image.resize((frame, frame), Image.Resampling.BOX))


def _outline(name: str, angle: float) -> np.ndarray:
    """The outline of a shape inscribed in the unit circle: `[points, 2]`, x then y."""
    if name == "ellipse":
        turn = np.linspace(0.0, 2.0 * np.pi, 64, endpoint=False)
        points = np.stack([np.cos(turn), 0.5 * np.sin(turn)], axis=-1)
    else:
        corners = {"square": 4, "triangle": 3}[name]
        turn = 2.0 * np.pi * np.arange(corners) / corners
        points = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return points @ rotation


def mnist(path: Optional[str] = None, size: int = 18, pool: int = 10_000) -> SpriteBank:
    """MNIST digits, rescaled bilinearly and binarised by rounding: LAVAE, section 3.1.

    Args:
        path: Path of a folder with MNIST's IDX `.gz` files, of one `...images-idx3-ubyte.gz` with its labels in the
            same folder, or of Keras's `mnist.npz`; None takes Keras's cached copy or downloads it.
        size: Side of a digit's frame in pixels; 18 in the paper.
        pool: Number of digits in the bank. They are a fixed choice that does not depend on the seed of a run.

    Raises:
        UserError: If the digits cannot be read, or if there are fewer than `pool`.
    """
    digits = load_mnist(path)
    count = len(digits.images)
    if pool > count:
        where = f"in {path}" if path else "in Keras's copy"
        raise UserError(f"a pool of {pool} MNIST digits was requested, but there are only {count} {where}")
    chosen = np.sort(np.random.RandomState(_MNIST_POOL_SEED).permutation(count)[:pool])
    origin = f"{pool:,} of {digits.origin}"
    return _binary_digits(Digits(digits.images[chosen], digits.labels[chosen], origin), size)


def grey_mnist(path: Optional[str] = None, size: int = 20) -> SpriteBank:
    """All MNIST digits, grey, as in AIR and Discrete-AIR (section 4.2); about a tenth is held out.

    Args:
        path: Path of the digits, see `mnist`.
        size: Side of a digit's frame in pixels; 20 is MNIST's own size, at which digits are not rescaled.

    Raises:
        UserError: If the digits cannot be read.
    """
    return _grey_digits(load_mnist(path), size)


def scaled_mnist(path: Optional[str] = None, size: int = 28) -> SpriteBank:
    """MNIST digits of a few sizes each: Multi-MNIST as the Python package `observations` has it; a tenth is held out.

    A digit with its margins, 28 pixels, is divided by a scale from a normal distribution of mean 1.3 and standard
    deviation 0.1. The package draws a scale for every digit in a scene; here each digit has a few fixed sizes, so that
    scenes still are a choice of sprites.

    Args:
        path: Path of the digits, see `mnist`.
        size: Side of the largest frame in pixels; larger ones, which are rare, take this size.

    Raises:
        UserError: If the digits cannot be read.
    """
    digits = load_mnist(path)
    sizes_each = -(-_SCALED_DIGITS // len(digits.images))
    scales = np.random.RandomState(_MNIST_POOL_SEED).normal(1.3, 0.1, size=len(digits.images) * sizes_each)
    frames = np.clip((28 / scales).astype(np.int32), 8, size)
    sprites = np.zeros((len(frames), size, size, 1), np.uint8)
    for sprite, frame, digit in zip(sprites, frames, np.repeat(digits.images, sizes_each, axis=0)):
        sprite[:frame, :frame, 0] = Image.fromarray(digit).resize((frame, frame), Image.Resampling.BILINEAR)
    return SpriteBank(
        sprites=sprites,
        frame_sizes=frames,
        labels=np.repeat(digits.labels, sizes_each),
        label_names=_DIGIT_NAMES,
        held_out=np.repeat(_held_out(digits.images), sizes_each),
        origin=digits.origin,
    )


def grey_handwritten_digits(size: int = 20) -> SpriteBank:
    """The 1,797 handwritten digits that come with scikit-learn, grey; about a tenth is held out."""
    return _grey_digits(_bundled_digits(), size)


def _grey_digits(digits: Digits, size: int) -> SpriteBank:
    bank = _digit_bank(np.stack([grey_digit(digit, size) for digit in digits.images]), digits)
    return dataclasses.replace(bank, held_out=_held_out(digits.images))


def _held_out(digits: np.ndarray) -> np.ndarray:
    """Which digits are for held-out scenes; chosen by checksum, so that identical digits all are or all are not.

    Raises:
        UserError: If that leaves none for training, or none for held-out scenes.
    """
    held_out = np.array([zlib.crc32(digit.tobytes()) % _DIGITS_HELD_OUT_ONE_IN == 0 for digit in digits], bool)
    if held_out.all() or not held_out.any():
        raise UserError(
            f"there are too few digits, {len(digits)}: about one in {_DIGITS_HELD_OUT_ONE_IN} is held out, and some "
            "must be left for training"
        )
    return held_out


def grey_digit(digit: np.ndarray, size: int) -> np.ndarray:
    """A digit's lit pixels, centred in a square frame that is as large as the largest digits of its source.

    Args:
        digit: Image of the digit, uint8 `[height, width]`. An image of 28 x 28 is taken as MNIST's, whose largest
            digits measure 20 pixels; any other image is assumed to have no margin.
        size: Side of the frame in pixels, to which the digit is rescaled.

    Returns:
        Grey digit, uint8 `[size, size]`.

    Raises:
        UserError: If the image is entirely black.
    """
    if not digit.any():
        raise UserError("a digit is empty: it must show a stroke on a dark background")
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    lit = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    side = max(20 if digit.shape == (28, 28) else max(digit.shape), *lit.shape)
    frame = np.zeros((side, side), np.uint8)
    top, left = (side - lit.shape[0]) // 2, (side - lit.shape[1]) // 2
    frame[top : top + lit.shape[0], left : left + lit.shape[1]] = lit
    return frame if side == size else np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BILINEAR))


def handwritten_digits(size: int = 18) -> SpriteBank:
    """The 1,797 handwritten digits that come with scikit-learn, binary; no download is needed."""
    return _binary_digits(_bundled_digits(), size)


def _bundled_digits() -> Digits:
    from sklearn.datasets import load_digits  # Slow to import and needed by these banks only.

    bundled = load_digits()
    images = np.round(bundled.images * (255.0 / 16.0)).astype(np.uint8)
    return Digits(images, bundled.target.astype(np.int32), f"{len(images):,} digits of scikit-learn")


def _binary_digits(digits: Digits, size: int) -> SpriteBank:
    return _digit_bank(np.stack([binarize_digit(digit, size) for digit in digits.images]), digits)


def _digit_bank(frames: np.ndarray, digits: Digits) -> SpriteBank:
    return SpriteBank(
        sprites=frames[..., None],
        frame_sizes=np.full(len(frames), frames.shape[1], np.int32),
        labels=digits.labels,
        label_names=_DIGIT_NAMES,
        origin=digits.origin,
    )


def binarize_digit(digit: np.ndarray, size: int) -> np.ndarray:
    """Rescales a grey digit bilinearly and binarises it by rounding.

    If rounding would leave nothing, or nothing but stroke, the threshold is the middle of the digit's own range of
    values instead.

    Args:
        digit: Image of the digit, uint8 `[height, width]`.
        size: Side of the result in pixels.

    Returns:
        Binary digit, uint8 `[size, size]`, in which both 0 and 255 occur.

    Raises:
        UserError: If all pixels have the same value.
    """
    grey = np.asarray(Image.fromarray(digit).resize((size, size), Image.Resampling.BILINEAR), np.float32) / 255.0
    if grey.max() == grey.min():
        raise UserError("a digit is uniformly grey: it must show a stroke on a dark background")
    threshold = 0.5 if grey.min() < 0.5 <= grey.max() else (grey.max() + grey.min()) / 2.0
    return np.where(grey >= threshold, 255, 0).astype(np.uint8)


def from_file(path: str) -> SpriteBank:
    """Sprites from a user's own `.npz`.

    Args:
        path: Path of an `.npz` with `sprites` (uint8 in [0, 255] or float in [0, 1]; K x h x w, or K x h x w x C with
            C 1 or 3) and optionally `labels` (K whole numbers). Pickled objects are never loaded.

    Raises:
        UserError: If the file has another format, or if a sprite is empty.
    """
    arrays = read_arrays(path, required=("sprites",), optional=("labels",))
    sprites = user_arrays.as_uint8_images(arrays["sprites"], f"sprites in {path}")
    count, height, width, _ = sprites.shape
    empty = np.flatnonzero(~sprites.any(axis=(1, 2, 3)))
    if empty.size:
        raise UserError(f"sprite {empty[0]} in {path} is empty: every sprite must have a pixel above 0")
    frame = max(height, width)
    sprites = np.pad(sprites, ((0, 0), (0, frame - height), (0, frame - width), (0, 0)))
    labels = arrays.get("labels", np.zeros(count, np.int32))
    labels = user_arrays.as_counts(labels, count, f"labels in {path}", _LARGEST_LABEL)
    return SpriteBank(
        sprites=sprites,
        frame_sizes=np.full(count, frame, np.int32),
        labels=labels,
        label_names=tuple(str(label) for label in range(int(labels.max()) + 1)),
    )
