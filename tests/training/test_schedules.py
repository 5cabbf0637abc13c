import numpy as np
import pytest

from tf_scenes.training.schedules import Ramp


@pytest.mark.parametrize(("step", "value"), [(0, 2.0), (10, 2.0), (15, 4.0), (20, 6.0), (99, 6.0)])
def test_linear(step, value):
    np.testing.assert_allclose(Ramp(2.0, 6.0, 10, 20)(step), value, rtol=1e-6)


@pytest.mark.parametrize(("step", "value"), [(0, 0.5), (50, 0.1), (100, 0.02), (200, 0.02)])
def test_geometric(step, value):
    np.testing.assert_allclose(Ramp(0.5, 0.02, 0, 100, geometric=True)(step), value, rtol=1e-5)


def test_no_duration_is_a_jump():
    ramp = Ramp(1.0, 3.0, 5, 5)
    assert [float(ramp(step)) for step in (4, 5, 6)] == [1.0, 1.0, 3.0]


def test_config_makes_an_equal_ramp():
    ramp = Ramp(1.0, 3.0, 5, 9, geometric=True)
    assert float(Ramp(**ramp.get_config())(7)) == float(ramp(7))
