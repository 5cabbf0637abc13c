"""Checks of arrays that come from a user's files."""

import numpy as np

from tf_scenes.errors import UserError


def as_uint8_images(array: np.ndarray, what: str) -> np.ndarray:
    """Checks a user's images and converts them to uint8 `[N, H, W, C]`.

    Args:
        array: Images, uint8 in [0, 255] or float in [0, 1]; N x H x W, or N x H x W x C with C 1 or 3.
        what: What error messages call the images, a plural.

    Raises:
        UserError: If the images have another type, shape or range.
    """
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or 0 in array.shape:
        raise UserError(f"{what} have shape {array.shape}: N x H x W, or N x H x W x C with C 1 or 3, is needed")
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"{what} have type {array.dtype}: uint8 in [0, 255] or float in [0, 1] is needed")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0.0 and high <= 1.0):  # Also catches NaN.
        raise UserError(f"{what} lie in [{low:g}, {high:g}]: floats must lie in [0, 1], without NaN")
    return np.round(array * 255.0).astype(np.uint8)


def as_counts(array: np.ndarray, length: int, what: str, largest: int = 2**31 - 1) -> np.ndarray:
    """Checks whole numbers from 0 on, one for each example, and converts them to int32.

    Args:
        array: Integers, `[length]`.
        length: Number of examples.
        what: What error messages call the numbers, a plural.
        largest: Largest number allowed.

    Raises:
        UserError: If the numbers have another type, shape or range.
    """
    wanted = f"{length} whole numbers from 0 to {largest:,} are needed"
    if not np.issubdtype(array.dtype, np.integer) or array.shape != (length,):
        raise UserError(f"{what} have type {array.dtype} and shape {array.shape}: {wanted}")
    if length and not 0 <= int(array.min()) <= int(array.max()) <= largest:
        raise UserError(f"{what} lie in [{array.min()}, {array.max()}]: {wanted}")
    return array.astype(np.int32)
