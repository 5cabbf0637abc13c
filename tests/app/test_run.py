"""The order of training and reports."""

import pytest

from tf_scenes.app.run import stretches


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (0, 60, [(30, 60)]),
        (0, 75, [(30, 60), (15, 75)]),
        (0, 20, [(20, 20)]),
        (10, 20, [(10, 20)]),
        (10, 60, [(20, 30), (30, 60)]),
        (100, 115, [(15, 115)]),
        (20, 1000, [(10, 30), (30, 990), (10, 1000)]),
        (30, 60, [(30, 60)]),
        (60, 60, []),
    ],
)
def test_reports_are_made_after_multiples_and_the_last_step(first, last, expected):
    parts = stretches(first, last, steps_per_report=30)
    assert parts == expected
    reports, step = [], first
    for steps, end in parts:
        assert (end - step) % steps == 0
        reports += range(step + steps, end + 1, steps)
        step = end
    assert reports == sorted({*(each for each in range(30, last + 1, 30) if each > first), *([last] if parts else [])})
