"""Warnings before training, where a user's data and flags may lead to something other than expected."""

from tf_scenes.config import Config
from tf_scenes.data.datasets import Dataset


def warnings_before_training(config: Config, dataset: Dataset) -> list[str]:
    """What a user should know before training begins, a sentence without a full stop each.

    Args:
        config: Configuration of the run.
        dataset: Data set of the run.
    """
    return [warning for check in _CHECKS for warning in check(config, dataset)]


def _of_the_data(config: Config, dataset: Dataset) -> list[str]:
    return dataset.warnings()


# Each returns its warnings for a configuration and its data set.
_CHECKS = (_of_the_data,)
