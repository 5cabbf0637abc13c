"""Values that flags may not have, and any text for any flag."""

import math

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.campaign.answers import CAMPAIGN, answer
from tf_scenes.config import config_of, flag_groups
from tf_scenes.options import plain_type

FLAGS = {name: field for section in flag_groups().values() for name, field in section.flags()}
# Texts that are no numbers, though some look like one.
NO_NUMBERS = ("", "x", "1.5.2", "²", "1,5", "--", "None", "٣x", "1 2", "[1]", "0x", "1e", "\N{BULLET}")
LARGEST = {int: 2**31 - 1, float: 1e9}


def _not_allowed(field):
    """Texts that are no value of an option, or None for options of any text."""
    kind, choices = plain_type(field), field.metadata["choices"]
    lower, upper = field.metadata["lower"], field.metadata["upper"]
    if choices:
        return st.text().filter(lambda text: text not in choices)
    if kind is bool:
        return st.sampled_from(("maybe", "2", "nan", "²", "-1", "true false"))
    if kind not in LARGEST:
        return None
    above = LARGEST[kind] if upper is None else upper
    if kind is int:
        outside = [st.integers(min_value=above + 1), *([] if lower is None else [st.integers(max_value=lower - 1)])]
        return st.one_of(
            st.sampled_from((*NO_NUMBERS, "nan", "inf", "1.5", "1e3")), *(each.map(str) for each in outside)
        )
    outside = [st.floats(min_value=math.nextafter(above, math.inf), allow_infinity=False)]
    outside += [] if lower is None else [st.floats(max_value=math.nextafter(lower, -math.inf), allow_infinity=False)]
    not_finite = ("nan", "-nan", "inf", "-inf", "infinity", "1e400", "-1e400")
    return st.one_of(st.sampled_from((*NO_NUMBERS, *not_finite)), *(each.map(repr) for each in outside))


@pytest.mark.campaign
@pytest.mark.parametrize("name", [name for name, field in FLAGS.items() if _not_allowed(field) is not None])
def test_a_value_that_is_not_allowed_is_refused_by_the_name_of_the_flag(name):
    @hypothesis.settings(CAMPAIGN, max_examples=25)
    @hypothesis.given(_not_allowed(FLAGS[name]))
    def check(value):
        said = answer(config_of, [f"--{name}={value}"])
        assert said is not None and f"--{name}=" in said and "must be" in said

    check()


@pytest.mark.campaign
@hypothesis.settings(CAMPAIGN, max_examples=500)
@hypothesis.given(st.lists(st.tuples(st.sampled_from(sorted(FLAGS)), st.text()), min_size=1, max_size=3))
def test_any_text_for_any_flag_is_taken_or_refused(flags):
    answer(config_of, [f"--{name}={value}" for name, value in flags])


@pytest.mark.campaign
@hypothesis.settings(CAMPAIGN, max_examples=500)
@hypothesis.given(st.lists(st.text(), min_size=1, max_size=3))
def test_any_argument_is_taken_or_refused(arguments):
    answer(config_of, arguments)
