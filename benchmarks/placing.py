"""Compares ways to place sprites, forward and backward: python benchmarks/placing.py."""

import argparse
import time
from typing import Callable

import tensorflow as tf

from tf_scenes.app.endings import one_line_errors
from tf_scenes.models.lavae.placing import convolve_sprites

_BATCH, _OBJECTS, _SIDE, _SPRITE, _CHANNELS = 32, 3, 64, 21, 3
_REPEATS = 5


def depthwise(locations: tf.Tensor, sprites: tf.Tensor) -> tf.Tensor:
    """Does the same as `convolve_sprites` by a depthwise convolution, with all objects as channels."""
    maps = tf.transpose(locations, [1, 2, 0])[None]
    kernels = tf.transpose(sprites[:, ::-1, ::-1], [1, 2, 0, 3])
    placed = tf.nn.depthwise_conv2d(maps, kernels, [1, 1, 1, 1], "SAME")
    placed = tf.reshape(placed, [_SIDE, _SIDE, _BATCH, _OBJECTS, _CHANNELS])
    return tf.transpose(tf.reduce_sum(placed, axis=3), [2, 0, 1, 3])


def by_fourier_transform(locations: tf.Tensor, sprites: tf.Tensor) -> tf.Tensor:
    """`convolve_sprites`, with the same number of objects in each scene."""
    return convolve_sprites(tf.repeat(tf.range(_BATCH), _OBJECTS), locations, sprites, _BATCH)


def seconds(place: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], *inputs: tf.Tensor) -> float:
    """Mean time of computing value and gradients, compiled, after one call that is not timed."""

    @tf.function
    def both_ways(locations: tf.Tensor, sprites: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([locations, sprites])
            value = tf.reduce_sum(tf.square(place(locations, sprites)))
        return tape.gradient(value, [locations, sprites])

    both_ways(*inputs)
    start = time.perf_counter()
    for _ in range(_REPEATS):
        both_ways(*inputs)
    return (time.perf_counter() - start) / _REPEATS


def main() -> None:
    """Checks that all ways agree, and prints the milliseconds that each one takes."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    logits = tf.random.stateless_normal([_BATCH * _OBJECTS, _SIDE**2], [0, 1])
    locations = tf.reshape(tf.nn.softmax(logits), [-1, _SIDE, _SIDE])
    sprites = tf.random.stateless_uniform([_BATCH * _OBJECTS, _SPRITE, _SPRITE, _CHANNELS], [0, 2])
    tf.debugging.assert_near(by_fourier_transform(locations, sprites), depthwise(locations, sprites), atol=1e-4)
    for name, place in (("Fourier transform", by_fourier_transform), ("depthwise convolution", depthwise)):
        print(f"{name:24}{1e3 * seconds(place, locations, sprites):8.0f} ms")


if __name__ == "__main__":
    with one_line_errors():
        main()
