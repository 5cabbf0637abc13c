"""Label images, the ground truth of whole pictures: 0 is background, and every object has a number of its own."""

from collections.abc import Sequence

import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage
from skimage.segmentation import relabel_sequential

from tf_scenes.data.decoding import Pixels, decode
from tf_scenes.errors import UserError

_ADVICE = "label images are needed, with 0 for background and a number for each object"
_HOW_TO_LABEL = "skimage.measure.label(mask) makes a label image of a binary mask whose objects do not touch"


def read_label_pages(path: str) -> list[np.ndarray]:
    """Reads the label images in a file: the pages of a TIFF file, or the one image of any other.

    Of palettes the indices are the labels, not the colours.

    Args:
        path: Path of a PNG, BMP or TIFF file with one channel.

    Returns:
        Label images, int32 `[height, width]`: 0 background, 1 to n the objects, in the order of the file's labels.

    Raises:
        UserError: If the file cannot be read, or is not a label image.
    """
    return [as_label_image(pixels.values[..., 0], path) for pixels in decode(path, _from_pillow, _from_tiff)]


def as_label_image(values: np.ndarray, what: str) -> np.ndarray:
    """Checks a label image, and numbers its labels from 1 to n, in their order.

    Args:
        values: Labels of the pixels, of any real type, `[height, width]`.
        what: What error messages call it.

    Returns:
        Label image, int32 `[height, width]`.

    Raises:
        UserError: If it holds other numbers than whole ones of at least 0, or if it is a binary mask.
    """
    if not np.isfinite(values).all() or values.min() < 0 or (values != np.rint(values)).any():
        raise UserError(f"{what} holds numbers that are not labels: {_ADVICE}")
    labels = values.astype(np.int64)
    if values.dtype == bool or (labels.max() in (255, 65535) and set(np.unique(labels)) <= {0, labels.max()}):
        raise UserError(f"{what} is a binary mask: {_ADVICE}; {_HOW_TO_LABEL}")
    return relabel_sequential(labels)[0].astype(np.int32)


def require_instances(masks: Sequence[np.ndarray], where: str) -> None:
    """Checks that masks tell objects apart.

    Args:
        masks: Label images of a split, numbered from 1 to n.
        where: Where they come from, for the error message.

    Raises:
        UserError: If no mask has more than one label, though the pixels of some are in several pieces.
    """
    if max(int(mask.max()) for mask in masks) == 1 and any(ndimage.label(mask)[1] > 1 for mask in masks):
        raise UserError(f"masks of {where} have one label for all objects: {_ADVICE}; {_HOW_TO_LABEL}")


def _from_pillow(image: Image.Image) -> Pixels:
    if image.format in ("JPEG", "MPO"):
        raise ValueError("JPEG changes labels; save label images as PNG or TIFF")
    values = np.asarray(image)
    if values.ndim != 2:
        raise ValueError(f"it shows colours; {_ADVICE}")
    return Pixels(values[..., None])


def _from_tiff(page: tifffile.TiffPage, samples: np.ndarray) -> Pixels:
    if samples.shape[-1] != 1:
        raise ValueError(f"it has {samples.shape[-1]} channels; {_ADVICE}")
    return Pixels(samples)
