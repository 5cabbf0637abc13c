"""What every bad input must be answered with, and how valid files are damaged."""

from typing import Any, Callable, Optional

import hypothesis
from hypothesis import strategies as st

from tf_scenes.errors import UserError

# The same examples each time: what was found stays found. Files and requests take longer than Hypothesis expects.
CAMPAIGN = hypothesis.settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
)


def answer(call: Callable[..., Any], *arguments: Any) -> Optional[str]:
    """What a call says of its input: the one line of a `UserError`, or None if it takes the input.

    Anything else that it raises fails the test.
    """
    try:
        call(*arguments)
    except UserError as error:
        assert str(error).strip()
        return str(error)
    return None


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """Versions of a file: cut off, with changed, inserted or missing bytes, or with two parts in each other's place."""
    places = st.integers(0, len(content))

    def changed(changes: list[tuple[int, int]]) -> bytes:
        result = bytearray(content)
        for place, value in changes:
            result[place % len(content)] = value
        return bytes(result)

    def swapped(ends: list[int]) -> bytes:
        first, second, third = sorted(ends)
        return content[:first] + content[second:third] + content[first:second] + content[third:]

    return st.one_of(
        places.map(lambda place: content[:place]),
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), min_size=1, max_size=8).map(changed),
        # Headers are short beside the rest, and matter most.
        st.lists(st.tuples(st.integers(0, 63), st.integers(0, 255)), min_size=1, max_size=3).map(changed),
        st.tuples(places, st.binary(max_size=20)).map(lambda new: content[: new[0]] + new[1] + content[new[0] :]),
        st.tuples(places, places).map(lambda ends: content[: min(ends)] + content[max(ends) :]),
        st.lists(places, min_size=3, max_size=3).map(swapped),
    )
