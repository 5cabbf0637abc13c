"""Models that tests share, since building one takes a second or two."""

import collections

import pytest

from tf_scenes.app.build import build_model
from tf_scenes.stack import keras

SHAPE = (24, 24, 1)


@pytest.fixture(scope="module")
def new_model(make_config):
    """Builds a model from flags, for tests that change more of it than its variables."""

    def build(*flags):
        keras.utils.set_random_seed(0)
        return build_model(make_config(*flags), SHAPE)

    return build


@pytest.fixture(scope="module")
def _built():
    """The models that a file's tests have had, by flags, each with its variables and their values when it was new."""
    return collections.defaultdict(list)


@pytest.fixture
def shared_model(new_model, _built):
    """What `new_model` gives, but that an earlier test may have had it: all variables have their first values again.

    A test that asks twice for the same flags is given two models.
    """
    given = collections.Counter()

    def model(*flags):
        alike = _built[flags]
        if given[flags] == len(alike):
            new = new_model(*flags)
            alike.append((new, [(variable, variable.numpy()) for variable in _variables(new)]))
        shared, values = alike[given[flags]]
        given[flags] += 1
        for variable, value in values:
            variable.assign(value)
        return shared

    return model


def _variables(model):
    """All that a model and its optimisers keep."""
    optimizers = (model.optimizer, *model.optimizer.by_group.values())
    return [*model.variables, *(variable for optimizer in optimizers for variable in optimizer.variables)]
