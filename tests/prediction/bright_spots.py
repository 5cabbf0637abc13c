"""A segmenter that can be checked by hand: the objects are the bright parts of an image."""

import numpy as np
from scipy import ndimage

from tf_scenes.errors import UserError

SLOTS = 300


class BrightSpots:
    """Finds what is above a half, in the order of SciPy's labels; refuses images of more than 400 pixels a side."""

    def __init__(self, channels=1, category=False):
        self.channels, self.category, self.images = channels, category, []

    def segment(self, images):
        self.images.append(images)
        if max(images.shape[1:3]) > 400:
            raise UserError("at most 400 pixels a side")
        labels, count = ndimage.label(images[0].max(-1) > 0.5)
        present = np.arange(SLOTS) < count
        centers = ndimage.center_of_mass(labels > 0, labels, np.arange(1, count + 1))
        locations = np.zeros((SLOTS, 2), np.float32)
        locations[:count] = np.reshape(centers, (count, 2))
        description = {
            "num_objects": np.int32([count]),
            "presence": present[None].astype(np.float32),
            "appearance": (present[:, None] * np.arange(1.0, 4.0, dtype=np.float32) + np.arange(SLOTS)[:, None])[None],
            "sizes": (present[:, None] * np.float32([6.0, 3.0]))[None],
            "locations": locations[None],
            "masks": labels[None].astype(np.int32),
        }
        return {**description, "category": np.arange(SLOTS, dtype=np.int32)[None] % 3} if self.category else description


def picture(squares, size=(30, 40), dtype=np.uint8):
    """Black with white squares, each given as its top, left, bottom and right edge: `[height, width]`."""
    pixels = np.zeros(size, dtype)
    for top, left, bottom, right in squares:
        pixels[top:bottom, left:right] = 1 if np.issubdtype(dtype, np.floating) else np.iinfo(dtype).max
    return pixels
