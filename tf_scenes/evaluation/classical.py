"""Classical segmentation, without learning, for comparison: Otsu's threshold and the watershed, by scikit-image."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import ndimage
from skimage import feature, filters, measure, segmentation

from tf_scenes.data.datasets import Dataset
from tf_scenes.evaluation.progress_bar import with_progress
from tf_scenes.evaluation.segmentation import score_image, segmentation_scores

# All in pixels; for objects of 7 to 26 pixels, such as those of data/nuclei.
_BLUR = 1.0
_LARGEST_SPECK = 20
_PEAK_DISTANCE = 3


def evaluate_classical(dataset: Dataset, split_names: Iterable[str], batch_size: int) -> dict[str, dict[str, Any]]:
    """Measures `otsu_watershed` on held-out splits with masks.

    Scenes of sprites are left out: on a black background there is nothing to find a threshold for.

    Args:
        dataset: Data set.
        split_names: Names of the splits.
        batch_size: Number of images in a batch.

    Returns:
        `images`, their number, and the measures of `segmentation_scores`, for each split with masks by name.
    """
    if dataset.black_background:
        return {}
    splits = {name: dataset.evaluation_batches(name, batch_size) for name in split_names}
    return {
        name: _evaluate_split(with_progress(batches, f"Otsu on {name}"))
        for name, batches in splits.items()
        if "masks" in batches.element_spec
    }


def _evaluate_split(batches: Iterable[dict[str, tf.Tensor]]) -> dict[str, Any]:
    scores = [
        score_image(mask, otsu_watershed(image))
        for batch in batches
        for image, mask in zip(batch["images"].numpy(), batch["masks"].numpy())
    ]
    return {"images": len(scores), **segmentation_scores(scores)}


def otsu_watershed(image: np.ndarray) -> np.ndarray:
    """Finds objects on a ground of another brightness, and parts those that touch where they are narrow.

    Objects are on the side of Otsu's threshold that has fewer pixels, so that they may be brighter or darker than the
    ground.

    Args:
        image: Image, float `[height, width, channels]` in [0, 1]; channels are averaged.

    Returns:
        Objects, int32 `[height, width]`: 0 on the background, 1..n on the objects.
    """
    blurred = filters.gaussian(np.mean(image, axis=-1, dtype=np.float64), sigma=_BLUR)
    foreground = blurred > filters.threshold_otsu(blurred)
    if 2 * np.count_nonzero(foreground) > foreground.size:
        # Not the complement: the threshold lies in the middle of a bin, and that bin's pixels belong to what is darker.
        foreground = -blurred > filters.threshold_otsu(-blurred)
    foreground = _without_specks(foreground)
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(foreground), _BLUR)
    peaks = feature.peak_local_max(
        distance, min_distance=_PEAK_DISTANCE, exclude_border=False, labels=foreground.astype(np.int32)
    )
    markers = np.zeros(foreground.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return segmentation.watershed(-distance, markers, mask=foreground)


def _without_specks(foreground: np.ndarray) -> np.ndarray:
    """The foreground without parts of at most `_LARGEST_SPECK` pixels, where pixels hang together by their edges."""
    parts = measure.label(foreground, connectivity=1)
    sizes = np.bincount(parts.ravel())
    return foreground & (sizes > _LARGEST_SPECK)[parts]
