"""The contrast of photographs for a person to look at."""

import numpy as np

# Percentiles of the photograph that are drawn black and white: microscopes' pictures often use a part of their range.
_BLACK, _WHITE = 0.2, 99.8


def stretched(picture: np.ndarray, photograph: np.ndarray) -> np.ndarray:
    """A picture with its contrast stretched so that a photograph of the same scene is from black to white.

    Args:
        picture: Picture, float `[height, width, channels]`.
        photograph: Photograph, float `[height, width, channels]`.
    """
    low, high = np.percentile(photograph, (_BLACK, _WHITE))
    return np.clip((picture - low) / (high - low), 0.0, 1.0) if low < high else picture
