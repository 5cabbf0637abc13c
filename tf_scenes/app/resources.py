"""Memory and disk space: what would never fit is refused before work, and what runs out is said in one line."""

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tf_scenes.errors import UserError, without_node_names

# Of each image at least itself, what is drawn of it, and the gradient of that, in float32.
_BYTES_OF_A_VALUE = 12
# Itself, the means of its gradient and of the gradient's square, in float32.
_BYTES_OF_A_WEIGHT = 12


def require_memory(images: int, image_shape: tuple[int, int, int], words: str) -> None:
    """Checks that images which are in memory together would fit into it, if there were nothing else.

    Args:
        images: Number of images.
        image_shape: Their height, width and number of channels.
        words: What they are, with the flag that says how many.

    Raises:
        UserError: If they would not.
    """
    height, width, channels = image_shape
    needed, there = images * height * width * channels * _BYTES_OF_A_VALUE, _memory()
    if needed > there:
        raise UserError(
            f"{words} of {height} x {width} pixels need more than {needed / 1e9:,.1f} GB of memory at once, and this "
            f"machine has {there / 1e9:,.1f} GB: choose fewer, or smaller ones"
        )


@contextlib.contextmanager
def weights_within_memory() -> Iterator[None]:
    """Checks that the weights that are created within would fit into memory, each before it is.

    Raises:
        UserError: If they would not, with what an optimiser keeps of them.
    """
    needed, there = 0, _memory()

    def creator(create: Callable[..., tf.Variable], **arguments: Any) -> tf.Variable:
        nonlocal needed
        shape = tf.TensorShape(arguments.get("shape"))  # Of other variables than weights none is told.
        needed += math.prod(shape) * _BYTES_OF_A_WEIGHT if shape.is_fully_defined() else 0
        if needed > there:
            raise MemoryError  # Of which Keras makes one with more words.
        return create(**arguments)

    try:
        with tf.variable_creator_scope(creator):
            yield
    except MemoryError as error:
        raise UserError(
            f"the networks' weights and what an optimiser keeps of them need more than {needed / 1e9:,.1f} GB of "
            f"memory, and this machine has {there / 1e9:,.1f} GB: choose fewer units, channels or blocks"
        ) from error


def _memory() -> int:
    """Bytes of memory that the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@contextlib.contextmanager
def shortage_as_user_error() -> Iterator[None]:
    """Turns what is raised where memory or the disk is full into a `UserError`.

    Raises:
        UserError: In place of the errors of Python and TensorFlow.
    """
    try:
        yield
    except MemoryError as error:
        raise UserError(f"{_TOO_LITTLE}: {error}" if str(error) else _TOO_LITTLE) from error
    except tf.errors.ResourceExhaustedError as error:
        reason = _reason(error)
        raise UserError(f"{_TOO_LITTLE}: {reason}" if "OOM" in reason else reason) from error
    except tf.errors.PermissionDeniedError as error:
        raise UserError(_reason(error)) from error


def _reason(error: tf.errors.OpError) -> str:
    """The line of what TensorFlow says that has the reason, without the names of its functions."""
    lines = error.message.splitlines()
    # Keras puts the name of a layer before it.
    return without_node_names(next((line for line in lines if "OOM" in line), lines[0]))


_TOO_LITTLE = "there is not enough memory: choose a lower --batch_size or --evaluation_batch_size, or smaller images"
