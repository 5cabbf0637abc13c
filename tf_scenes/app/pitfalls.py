"""Hints and warnings before training, where a user's data and flags may lead to something other than expected."""

import tensorflow as tf

from tf_scenes.config import Config
from tf_scenes.data.datasets import Dataset
from tf_scenes.models import registry

# Instruction sets that multiply matrices in bfloat16.
_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16"})


def warnings_before_training(config: Config, dataset: Dataset) -> list[str]:
    """What a user should know before training begins, a sentence without a full stop each.

    Args:
        config: Configuration of the run.
        dataset: Data set of the run.
    """
    return [warning for check in _CHECKS for warning in check(config, dataset)]


def hints_before_training(config: Config) -> list[str]:
    """What a user may like to know before training begins, a sentence each.

    Args:
        config: Configuration of the run.
    """
    gains = config.training.precision == "float32" and registry.entry(config.model).faster_in_bfloat16
    if gains and not tf.config.list_physical_devices("GPU") and _BFLOAT16 & processor_features():
        return ["This processor computes in bfloat16: --precision=mixed_bfloat16 may train this model faster."]
    return []


def processor_features() -> frozenset[str]:
    """Names of the processor's instruction sets, as Linux has them; none on other systems."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return frozenset(next((line for line in file if line.startswith("flags")), "").split())
    except OSError:
        return frozenset()


def _of_the_data(config: Config, dataset: Dataset) -> list[str]:
    return dataset.warnings()


def _of_schedules(config: Config, dataset: Dataset) -> list[str]:
    ends, steps = registry.entry(config.model).schedule_ends(config), config.training.train_steps
    return [
        f"training ends at --train_steps={steps}, in the middle of a schedule: {flags} is {end}"
        for flags, end in ends.items()
        if end > steps
    ]


def _of_large_objects(config: Config, dataset: Dataset) -> list[str]:
    limit = registry.entry(config.model).largest_object(config)
    side = None if limit is None else dataset.typical_object_side()
    if side is None or side <= limit[1]:
        return []
    return [
        f"half of what stands out in the training images is {side:.0f} pixels wide or wider, but objects of at most "
        f"{limit[1]} pixels can be drawn: scale the images down, or raise {limit[0]}"
    ]


# Each returns its warnings for a configuration and its data set.
_CHECKS = (_of_the_data, _of_schedules, _of_large_objects)
