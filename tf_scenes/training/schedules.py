"""Quantities that change while a model trains."""

import dataclasses
from typing import Any, Callable

import tensorflow as tf

# The value at an optimisation step: int64 scalar -> float32 scalar.
Schedule = Callable[[tf.Tensor], tf.Tensor]


def values_at(schedules: Any, step: tf.Tensor) -> dict[str, tf.Tensor]:
    """The values of a dataclass of schedules at an optimisation step, by name."""
    return {field.name: getattr(schedules, field.name)(step) for field in dataclasses.fields(schedules)}


class Ramp(tf.keras.optimizers.schedules.LearningRateSchedule):
    """Goes from one value to another between two steps, and is constant outside."""

    def __init__(self, start: float, end: float, first_step: int, last_step: int, geometric: bool = False):
        """Creates the schedule.

        Args:
            start: value up to `first_step`.
            end: value from `last_step` on.
            first_step: optimisation step at which the change begins.
            last_step: optimisation step at which it ends; the same as `first_step` for a jump.
            geometric: whether the value changes by equal factors, not by equal differences; both values positive.
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
    """A schedule that is 0 before a step, and `value` from it on."""
    return Ramp(0.0 if step else value, value, step - 1, step)
