"""Random crops of images: what a model is trained on where images are large or of many sizes."""

from collections.abc import Sequence

import numpy as np

from tf_scenes.data.image_files import as_unit_range

# What differs from the background by more than this share of the contrast stands out. The contrast is ten standard
# deviations of the noise or more, so noise hardly ever does.
_STANDS_OUT = 0.3
_LEAST_SHARE = 0.01
_MOST_CANDIDATES = 16
_KEPT_UNSEEN = 0.1


class Crops:
    """Random crops, each a pure function of a seed and a position.

    Images are as likely as their areas are large, and all windows of an image are equally likely, but those of nothing
    but background are taken rarely. No labels are needed for that: a window shows something if at least 1 % of its
    pixels differ from the image's background by more than 0.3 of the image's contrast. Of up to 16 windows the first
    that shows something is taken, and the last if none does. One in ten times the first is taken whatever it shows, so
    that a model also sees what is empty.
    """

    def __init__(self, images: Sequence[np.ndarray], levels: np.ndarray, size: int, flip: bool):
        """Prepares the drawing; images are not copied.

        Args:
            images: Images, each uint8, uint16, or float32 in [0, 1], `[height, width, channels]`, no side below `size`.
            levels: Background and contrast of each image in [0, 1], float32 `[images, 2]`.
            size: Side of a crop in pixels.
            flip: Whether crops are also mirrored and turned by multiples of 90 degrees.
        """
        self._images, self.levels, self._size, self._flip = images, levels, size, flip
        self._last_pixels = np.cumsum([image.shape[0] * image.shape[1] for image in images])

    def draw(self, seed: int, position: int) -> tuple[np.ndarray, int]:
        """One crop.

        Args:
            seed: Seed of the training run.
            position: Number of the crop in the course of training.

        Returns:
            The crop, in its image's type, `[size, size, channels]`, and the index of its image.
        """
        random = np.random.default_rng([seed, position])
        needed = random.random() >= _KEPT_UNSEEN
        for _ in range(_MOST_CANDIDATES):
            index, window = self._window(random)
            if not needed or self._shows_something(window, index):
                break
        return (_one_of_eight(window, random.integers(8)) if self._flip else window), index

    def _window(self, random: np.random.Generator) -> tuple[int, np.ndarray]:
        index = int(np.searchsorted(self._last_pixels, random.integers(self._last_pixels[-1]), side="right"))
        height, width, _ = self._images[index].shape
        top, left = random.integers(height - self._size + 1), random.integers(width - self._size + 1)
        return index, self._images[index][top : top + self._size, left : left + self._size]

    def _shows_something(self, window: np.ndarray, index: int) -> bool:
        background, contrast = self.levels[index]
        differs = np.abs(as_unit_range(window) - background) > _STANDS_OUT * abs(contrast)
        return differs.any(axis=-1).mean() >= _LEAST_SHARE


def _one_of_eight(window: np.ndarray, number: int) -> np.ndarray:
    """One of the eight symmetries of the square."""
    turned = np.rot90(window, number % 4)
    return turned[:, ::-1] if number >= 4 else turned
