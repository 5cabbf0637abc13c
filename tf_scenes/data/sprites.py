"""Banks of sprites: the things that scenes are made of.

A bank is a fixed array of small images with labels and attributes. Built in are MNIST digits and the handwritten digits
that come with scikit-learn, each binary or grey, shapes, coloured or grey, and sprites from a user's own file.
"""

import dataclasses
import types
import zlib
from collections.abc import Mapping, Sequence
from typing import Optional

import numpy as np
from PIL import Image, ImageDraw

from tf_scenes.data import user_arrays
from tf_scenes.data.mnist import load_mnist
from tf_scenes.errors import UserError
from tf_scenes.files import read_arrays

SHAPE_NAMES = ("square", "ellipse", "triangle")
SHAPE_SCALES = np.linspace(0.5, 1.0, 6)
SHAPE_ANGLES = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)
# All saturated colours except black, as RGB bits: LAVAE, section 3.2.
SHAPE_COLORS = tuple((code >> 2 & 1, code >> 1 & 1, code & 1) for code in range(1, 8))

_SUPERSAMPLING = 8
_MNIST_POOL_SEED = 1905
_DIGITS_HELD_OUT_ONE_IN = 10


@dataclasses.dataclass(frozen=True)
class SpriteBank:
    """Sprites with their labels.

    Attributes:
        sprites: uint8 `[sprites, size, size, channels]`, 0 or 255 where the bank is binary; a sprite's frame stands in
            the top left corner, zeros around it.
        frame_sizes: int32 `[sprites]`, the side of each sprite's square frame in pixels. Scenes keep frames inside the
            canvas and apart from each other.
        labels: int32 `[sprites]`, index into `label_names`.
        label_names: the name of each label.
        attributes: further ground truth, name to `[sprites]` or `[sprites, k]`.
        held_out: bool `[sprites]`, those that held-out scenes are made of, and only those. None: all share all.
    """

    sprites: np.ndarray
    frame_sizes: np.ndarray
    labels: np.ndarray
    label_names: Sequence[str]
    attributes: Mapping[str, np.ndarray] = dataclasses.field(default_factory=lambda: types.MappingProxyType({}))
    held_out: Optional[np.ndarray] = None

    @property
    def channels(self) -> int:
        """Number of channels of every sprite: 1 or 3."""
        return self.sprites.shape[-1]

    def __len__(self) -> int:
        return len(self.sprites)


def shapes(size: int = 18) -> SpriteBank:
    """Squares, ellipses and triangles: LAVAE, section 3.2.

    All 5,040 combinations of 3 shapes, 6 scales in [0.5, 1], 40 angles in [0, 2 pi), clockwise as seen, and 7 saturated
    colours. A shape is inscribed in the circle that its frame encloses, so that it fits whatever its angle is; `scale`
    times `size` is the frame's side in pixels.

    Args:
        size: side of the largest frame in pixels, at least 8.
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

    The paper draws sizes and orientations uniformly and leaves the rest open. Here frames have every whole number of
    pixels from half of `size` to `size`, and 72 angles; a shape is inscribed in the circle that its frame encloses.

    Args:
        size: side of the largest frame in pixels, at least 8.
    """
    angles = np.linspace(0.0, 2.0 * np.pi, 72, endpoint=False)
    frames = np.arange(-(-size // 2), size + 1)
    described = [(label, frame, angle) for label in range(len(SHAPE_NAMES)) for frame in frames for angle in angles]
    labels, frame_sizes, turned = (np.array(column) for column in zip(*described))
    sprites = [
        np.pad(_smooth_shape(SHAPE_NAMES[label], frame, angle), ((0, size - frame), (0, size - frame)))
        for label, frame, angle in described
    ]
    attributes = {"scale": (frame_sizes / size).astype(np.float32), "angle": turned.astype(np.float32)}
    return SpriteBank(
        sprites=np.stack(sprites)[..., None],
        frame_sizes=frame_sizes.astype(np.int32),
        labels=labels.astype(np.int32),
        label_names=SHAPE_NAMES,
        attributes=types.MappingProxyType(attributes),
    )


def _draw_shape(name: str, frame: int, angle: float) -> np.ndarray:
    """One shape as uint8 `[frame, frame]`, 0 or 255, inscribed in the frame's circle and turned by `angle`."""
    return np.where(_smooth_shape(name, frame, angle) >= 128, 255, 0).astype(np.uint8)


def _smooth_shape(name: str, frame: int, angle: float) -> np.ndarray:
    """The same with grey edges."""
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
        path: a folder with MNIST's IDX `.gz` files, one `...images-idx3-ubyte.gz` (its labels beside it), or an `.npz`
            as Keras keeps it; None takes Keras's own cached copy or downloads it.
        size: side of a digit's frame in pixels; the paper's is 18.
        pool: how many digits the bank holds: a fixed choice out of all that are there, whatever the seed of a run.

    Raises:
        UserError: the digits cannot be had, or there are fewer than `pool`.
    """
    digits, labels = load_mnist(path)
    if pool > len(digits):
        where = f"in {path}" if path else "in Keras's copy"
        raise UserError(f"a pool of {pool} MNIST digits was asked for, but there are only {len(digits)} {where}")
    chosen = np.sort(np.random.RandomState(_MNIST_POOL_SEED).permutation(len(digits))[:pool])
    return _digits(digits[chosen], labels[chosen], size)


def grey_mnist(path: Optional[str] = None, size: int = 20) -> SpriteBank:
    """All MNIST digits there are, grey, as AIR and Discrete-AIR (section 4.2) use them; a tenth is held out.

    Args:
        path: see `mnist`.
        size: side of a digit's frame in pixels; 20 is MNIST's own, and leaves digits as they are.

    Raises:
        UserError: the digits cannot be had.
    """
    return _grey_digits(*load_mnist(path), size)


def grey_handwritten_digits(size: int = 20) -> SpriteBank:
    """The 1,797 handwritten digits that come with scikit-learn, grey; a tenth is held out."""
    return _grey_digits(*_bundled_digits(), size)


def _grey_digits(digits: np.ndarray, labels: np.ndarray, size: int) -> SpriteBank:
    bank = _digit_bank(np.stack([grey_digit(digit, size) for digit in digits])[..., None], labels)
    # By checksum, so that equal digits are on the same side.
    held_out = np.array([zlib.crc32(digit.tobytes()) % _DIGITS_HELD_OUT_ONE_IN == 0 for digit in digits])
    return dataclasses.replace(bank, held_out=held_out)


def grey_digit(digit: np.ndarray, size: int) -> np.ndarray:
    """A digit's lit pixels, in the middle of a square frame: the largest extent of an MNIST digit is its frame's side.

    Args:
        digit: uint8 `[height, width]`; MNIST's 28 x 28 hold digits of 20 pixels, other digits fill their square.
        size: side of the frame in pixels.

    Returns:
        uint8 `[size, size]`.

    Raises:
        UserError: there is nothing in the digit.
    """
    if not digit.any():
        raise UserError("a digit is empty: it must show a stroke on a dark ground")
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    lit = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    side = max(20 if digit.shape == (28, 28) else max(digit.shape), *lit.shape)
    frame = np.zeros((side, side), np.uint8)
    top, left = (side - lit.shape[0]) // 2, (side - lit.shape[1]) // 2
    frame[top : top + lit.shape[0], left : left + lit.shape[1]] = lit
    return frame if side == size else np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BILINEAR))


def handwritten_digits(size: int = 18) -> SpriteBank:
    """The 1,797 handwritten digits that come with scikit-learn: real ones, no download."""
    return _digits(*_bundled_digits(), size)


def _bundled_digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits  # Slow to import, and only these banks need it.

    bundled = load_digits()
    return np.round(bundled.images * (255.0 / 16.0)).astype(np.uint8), bundled.target


def _digits(digits: np.ndarray, labels: np.ndarray, size: int) -> SpriteBank:
    return _digit_bank(np.stack([binarize_digit(digit, size) for digit in digits])[..., None], labels)


def _digit_bank(sprites: np.ndarray, labels: np.ndarray) -> SpriteBank:
    return SpriteBank(
        sprites=sprites,
        frame_sizes=np.full(len(sprites), sprites.shape[1], np.int32),
        labels=labels.astype(np.int32),
        label_names=tuple(str(digit) for digit in range(10)),
    )


def binarize_digit(digit: np.ndarray, size: int) -> np.ndarray:
    """Rescales a grey digit bilinearly and binarises it by rounding.

    A stroke so thin or faint that rounding would leave nothing is rounded relative to the digit's own maximum instead,
    so that no digit becomes empty.

    Args:
        digit: uint8 `[height, width]`.
        size: the result's side in pixels.

    Returns:
        uint8 `[size, size]`, 0 or 255, neither empty nor full.

    Raises:
        UserError: the digit is constant, so that there is nothing to see in it.
    """
    grey = np.asarray(Image.fromarray(digit).resize((size, size), Image.Resampling.BILINEAR), np.float32) / 255.0
    if grey.max() == grey.min():
        raise UserError("a digit is one flat grey: it must show a stroke on a dark ground")
    threshold = 0.5 if grey.min() < 0.5 <= grey.max() else (grey.max() + grey.min()) / 2.0
    return np.where(grey >= threshold, 255, 0).astype(np.uint8)


def from_file(path: str) -> SpriteBank:
    """Sprites from a user's own `.npz`.

    Args:
        path: an `.npz` with `sprites` (uint8 in [0, 255] or float in [0, 1], K x h x w or K x h x w x C with C 1 or 3)
            and optionally `labels` (integers, K). No pickles are loaded from it.

    Raises:
        UserError: the file is not such a file, or a sprite is empty.
    """
    arrays = read_arrays(path, required=("sprites",), optional=("labels",))
    sprites = user_arrays.as_uint8_images(arrays["sprites"], f"sprites in {path}")
    count, height, width, _ = sprites.shape
    empty = np.flatnonzero(~sprites.any(axis=(1, 2, 3)))
    if empty.size:
        raise UserError(f"sprite {empty[0]} in {path} is empty: every sprite must have a pixel above 0")
    frame = max(height, width)
    sprites = np.pad(sprites, ((0, 0), (0, frame - height), (0, frame - width), (0, 0)))
    labels = user_arrays.as_counts(arrays.get("labels", np.zeros(count, np.int32)), count, f"labels in {path}")
    return SpriteBank(
        sprites=sprites,
        frame_sizes=np.full(count, frame, np.int32),
        labels=labels,
        label_names=tuple(str(label) for label in range(int(labels.max()) + 1)),
    )
