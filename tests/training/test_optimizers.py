"""The fused optimisers against Keras's own and against one step by hand; groups against optimisers applied alone."""

import numpy as np
import pytest
import tensorflow as tf

from tf_scenes.stack import keras
from tf_scenes.training import optimizers


@pytest.mark.parametrize("name", ["Adam", "Adamax"])
def test_updates_are_those_of_keras(name):
    random = np.random.RandomState(0)
    start = [random.randn(3, 4).astype(np.float32), random.randn(5).astype(np.float32)]
    schedule = keras.optimizers.schedules.PolynomialDecay(0.1, 20, 0.01)
    pairs = []
    for module in (optimizers, keras.optimizers):
        optimizer = getattr(module, name)(schedule, global_clipnorm=1.0)
        variables = [tf.Variable(value) for value in start]
        optimizer.build(variables)
        pairs.append((optimizer, variables))
    for _ in range(20):
        gradients = [tf.constant(random.randn(*value.shape), tf.float32) for value in start]
        for optimizer, variables in pairs:
            optimizer.apply_gradients(zip(gradients, variables))
    (ours, fused), (original, plain) = pairs
    # The kernels round 1 - beta_2 to float32.
    for one, other in zip([*fused, *ours.variables], [*plain, *original.variables]):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["Adam", "Adamax"])
def test_first_step_is_the_learning_rate_against_the_gradients_sign(name):
    optimizer, variable = getattr(optimizers, name)(0.5), tf.Variable([1.0, 1.0, 1.0])
    optimizer.apply_gradients([(tf.constant([3.0, -20.0, 1e-3]), variable)])
    np.testing.assert_allclose(variable, [0.5, 1.5, 0.5], rtol=5e-3)


def _groups():
    """Variables of two groups by name."""
    random = np.random.RandomState(1)
    return {
        "default": [tf.Variable(random.randn(*shape), dtype=tf.float32) for shape in ((3, 4), (5,))],
        "location": [tf.Variable(random.randn(*shape), dtype=tf.float32) for shape in ((2, 2, 2), (1,))],
    }


def _keras_optimizers():
    """An optimiser for each group, with rates, schedules and clipping of their own."""
    schedules = keras.optimizers.schedules
    return {
        "default": keras.optimizers.Adam(schedules.PolynomialDecay(0.1, 15, 0.01), global_clipnorm=1.0),
        "location": keras.optimizers.Adamax(schedules.ExponentialDecay(0.02, 5, 0.5), global_clipnorm=0.2),
    }


def _flat(groups):
    return [variable for variables in groups.values() for variable in variables]


def test_grouped_optimisers_do_what_each_does_alone():
    groups, alone = _groups(), _groups()
    grouped = optimizers.GroupedOptimizer(_keras_optimizers(), lambda: groups)
    grouped.build(_flat(groups))
    separate, random = _keras_optimizers(), np.random.RandomState(2)
    for step in range(20):
        scale = 10.0 if step % 2 else 0.01  # Some gradients are clipped, some are not.
        gradients = [tf.constant(scale * random.randn(*each.shape), tf.float32) for each in _flat(groups)]
        grouped.apply_gradients(zip(gradients, _flat(groups)))
        gradients = iter(gradients)
        for group, variables in alone.items():
            separate[group].apply_gradients([(next(gradients), variable) for variable in variables])
        for one, other in zip(_flat(groups), _flat(alone)):
            np.testing.assert_array_equal(one, other)
    assert int(grouped.iterations) == 20
    assert all(int(each.iterations) == 20 for each in grouped.by_group.values())


def test_gradients_may_come_in_any_order_and_in_a_graph():
    groups, alone = _groups(), _groups()
    grouped, separate = optimizers.GroupedOptimizer(_keras_optimizers(), lambda: groups), _keras_optimizers()
    grouped.build(_flat(groups))

    @tf.function
    def step():
        grouped.apply_gradients([(tf.cast(each, tf.float32), each) for each in reversed(_flat(groups))])

    for _ in range(3):
        step()
        for group, variables in alone.items():
            separate[group].apply_gradients([(tf.identity(variable), variable) for variable in variables])
    for one, other in zip(_flat(groups), _flat(alone)):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def _left_out(groups):
    return {**groups, "location": groups["location"][:1]}


def _twice(groups):
    return {**groups, "location": [*groups["location"], groups["default"][0]]}


def _unknown(groups):
    return {**groups, "location": [*groups["location"], tf.Variable(0.0)]}


@pytest.mark.parametrize("change", [_left_out, _twice, _unknown])
def test_groups_must_hold_every_variable_once(change):
    groups = _groups()
    grouped = optimizers.GroupedOptimizer(_keras_optimizers(), lambda: change(groups))
    with pytest.raises(ValueError, match="every trainable variable"):
        grouped.build(_flat(groups))


@pytest.mark.parametrize("names", [("default", "other"), ("default",), ("default", "location", "other")])
def test_groups_must_be_those_that_there_are_optimisers_for(names):
    groups = _groups()
    grouped = optimizers.GroupedOptimizer({name: keras.optimizers.SGD() for name in names}, lambda: groups)
    with pytest.raises(ValueError, match="location") as error:
        grouped.build(_flat(groups))
    assert all(name in str(error.value) for name in names)


@pytest.mark.parametrize("scaled", [False, True])
def test_learning_rates_are_those_of_every_group_at_the_step(scaled):
    groups = _groups()
    grouped = optimizers.GroupedOptimizer(_keras_optimizers(), lambda: groups)
    optimizer = keras.mixed_precision.LossScaleOptimizer(grouped) if scaled else grouped
    optimizer.build(_flat(groups))
    for step in range(8):
        rates = optimizers.learning_rates(optimizer)
        # Keras keeps the rate of the last step that was taken.
        last = max(step - 1, 0)
        expected = {"learning_rate": 0.1 - 0.09 * last / 15, "location_learning_rate": 0.02 * 0.5 ** (last / 5)}
        assert {name: float(rate) for name, rate in rates.items()} == pytest.approx(expected, rel=1e-5)
        optimizer.apply_gradients([(tf.ones_like(each), each) for each in _flat(groups)])


def test_one_optimiser_has_one_learning_rate():
    rates = optimizers.learning_rates(keras.optimizers.SGD(0.25))
    assert {name: float(rate) for name, rate in rates.items()} == {"learning_rate": 0.25}


def test_grouped_optimisers_cannot_be_written_down():
    groups = _groups()
    with pytest.raises(NotImplementedError, match="its model"):
        optimizers.GroupedOptimizer(_keras_optimizers(), lambda: groups).get_config()
