"""Schedules: quantities that depend on the optimisation step."""

import dataclasses
from typing import Any, Callable

import tensorflow as tf

from tf_scenes.stack import keras

# Maps an optimisation step, int64 scalar, to the value at that step, float32 scalar.
Schedule = Callable[[tf.Tensor], tf.Tensor]


def values_at(schedules: Any, step: tf.Tensor) -> dict[str, tf.Tensor]:
    """The values at an optimisation step of a dataclass whose fields are schedules, by field name."""
    return {field.name: getattr(schedules, field.name)(step) for field in dataclasses.fields(schedules)}


class Ramp(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that moves from one value to another between two steps, and is constant before and after."""

    def __init__(self, start: float, end: float, first_step: int, last_step: int, geometric: bool = False):
        """Creates the schedule.

        Args:
            start: Value up to `first_step`.
            end: Value from `last_step` on.
            first_step: Optimisation step at which the change begins.
            last_step: Optimisation step at which the change ends; if it equals `first_step`, the value jumps one step
                later.
            geometric: Whether the value changes by equal factors instead of equal differences; needs positive values.
        """
        self.start = start
        self.end = end
        self.first_step = first_step
        self.last_step = last_step
        self.geometric = geometric

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The value at an optimisation step: float32 scalar."""
        duration = max(1, self.last_step - self.first_step)
        progress = tf.clip_by_value((tf.cast(step, tf.float32) - self.first_step) / duration, 0.0, 1.0)
        if self.geometric:
            return self.start * (self.end / self.start) ** progress
        return self.start + (self.end - self.start) * progress

    def get_config(self) -> dict:
        """The constructor's arguments."""
        names = ("start", "end", "first_step", "last_step", "geometric")
        return {name: getattr(self, name) for name in names}


def switched_on(step: int, value: float) -> Ramp:
    """A schedule that is 0 before a step and `value` from that step on."""
    return Ramp(0.0 if step else value, value, step - 1, step)
