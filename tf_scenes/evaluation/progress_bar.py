"""The progress bar of a pass over a split."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

_Batch = TypeVar("_Batch")


def with_progress(batches: Iterable[_Batch], what: str) -> Iterable[_Batch]:
    """Batches, with a progress bar on stderr if they take more than two seconds.

    Args:
        batches: Batches, or anything else of a known or unknown number.
        what: What is being done, which stands before the bar.
    """
    return tqdm(batches, what, unit="batch", delay=2.0, leave=False)
