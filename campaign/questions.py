"""A question of the page, and the same question with any field replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hypothesis import strategies as st

from dashboard.state.page_state import PageState
from exported_models.contract.request import Request

STATE: Final = PageState(Request("dates", "March 3, 1999"))
QUESTION: Final[dict[str, Any]] = {
    "wish": {"verb": "choose", "step": 3, "rank": 1},
    "state": STATE.to_json(),
    "selection": {"side": "target", "index": 1},
    "options": {"mass": 75, "layer": 0, "head": 0, "space": "decoder", "room": 800, "offset": 0},
    "held": {},
}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
"""Values of JSON."""


def places_in(question: Mapping[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The way to every field of a question."""
    for name, part in question.items():
        yield (*at, name)
        if isinstance(part, dict):
            yield from places_in(part, (*at, name))


def replace(question: Mapping[str, Any], place: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of a question with another value at a place."""
    name, *rest = place
    return {**question, name: replace(question[name], tuple(rest), value) if rest else value}
