"""The history: a tree of requests, each what-if a child of what it changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pydantic import BaseModel, TypeAdapter

from dashboard.errors import DashboardError
from dashboard.state.packing import pack, unpack
from dashboard.state.page_state import Json, PageState, StateDocument
from exported_models.contract.numbers import WholeNumber

MAX_MOMENTS: Final = 50
"""Most moments kept: the history travels with every question of the page."""
_MAX_JSON: Final = 4 * 1024 * 1024


_STATES: Final = TypeAdapter(list[StateDocument])


class _HistoryDocument(BaseModel):
    """A history in JSON: label, parent and next of each moment, and the states apart."""

    moments: list[tuple[str, WholeNumber | None, WholeNumber | None]]
    states: str
    current: WholeNumber


@dataclass(frozen=True, slots=True)
class Moment:
    """One request of the history. ``parent`` is the moment it changed; ``next`` is the child that redo goes to."""

    state: PageState
    label: str
    parent: int | None = None
    next: int | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """The last `MAX_MOMENTS` moments in the order they were made; ``current`` is the one on the page."""

    moments: tuple[Moment, ...] = ()
    current: int = -1

    @property
    def now(self) -> Moment | None:
        """The moment on the page."""
        return self.moments[self.current] if self.moments else None

    @property
    def undo_target(self) -> PageState | None:
        """The request that undo goes to, or None."""
        parent = self.now.parent if self.now else None
        return None if parent is None else self.moments[parent].state

    @property
    def redo_target(self) -> PageState | None:
        """The request that redo goes to, or None."""
        child = self.now.next if self.now else None
        return None if child is None else self.moments[child].state

    def state_at(self, index: int) -> PageState:
        """The state of a moment, counted from 0.

        Raises:
            DashboardError: there is no such moment.
        """
        if not 0 <= index < len(self.moments):
            raise DashboardError(f"There is no moment {index + 1} in this history of {len(self.moments)}.")
        return self.moments[index].state

    def find(self, state: PageState | None) -> int | None:
        """The moment of that request, or None."""
        places = (index for index, moment in enumerate(self.moments) if state and moment.state.request == state.request)
        return next(places, None)

    def visit(self, state: PageState, label: str) -> Past:
        """Go to the moment of that request; a request not seen before becomes a child of the current moment.

        Moments are kept without a pin, which belongs to the pane.
        """
        state = state.bare
        for index, moment in enumerate(self.moments):
            if moment.state.request == state.request:
                return self._with(index, replace(moment, state=state))._remember_way_to(index)
        parent = self.current if self.moments else None
        moments = (*self.moments, Moment(state, label, parent))
        return Past(moments, len(moments) - 1)._remember_way_to(len(moments) - 1)._forget_oldest()

    def to_json(self) -> Json:
        """The form that the browser keeps: labels and branches to draw, and the states, packed."""
        return {
            "moments": [[moment.label, moment.parent, moment.next] for moment in self.moments],
            "states": pack([moment.state.to_json() for moment in self.moments]),
            "current": self.current,
        }

    @classmethod
    def from_json(cls, value: object) -> Past:
        """Read what `to_json` wrote; nothing is an empty history.

        Raises:
            ValueError: it is something else.
        """
        try:
            return cls._read(_HistoryDocument.model_validate(value)) if value else cls()
        except (ValueError, RecursionError):
            raise ValueError("This is not a history of the page.") from None

    @classmethod
    def _read(cls, document: _HistoryDocument) -> Past:
        states = _STATES.validate_python(unpack(document.states, _MAX_JSON))
        pairs = zip(states, document.moments, strict=True)
        moments = tuple(Moment(state.to_state(), *moment) for state, moment in pairs)
        places = {place for moment in moments for place in (moment.parent, moment.next)} - {None}
        if not places <= set(range(len(moments))) or document.current not in range(-1, len(moments)):
            raise ValueError("a moment is missing")
        return cls(moments, document.current)

    def _with(self, index: int, moment: Moment) -> Past:
        return Past((*self.moments[:index], moment, *self.moments[index + 1 :]), index)

    def _remember_way_to(self, index: int) -> Past:
        """Make redo from the parent lead to a moment."""
        parent = self.moments[index].parent
        if parent is None:
            return self
        moments = list(self.moments)
        moments[parent] = replace(moments[parent], next=index)
        return Past(tuple(moments), index)

    def _forget_oldest(self) -> Past:
        """Forget moments beyond the limit; a child of a forgotten moment begins a branch of its own."""
        surplus = len(self.moments) - MAX_MOMENTS
        if surplus <= 0:
            return self

        def shift(index: int | None) -> int | None:
            return None if index is None or index < surplus else index - surplus

        kept = (replace(moment, parent=shift(moment.parent), next=shift(moment.next)) for moment in self.moments)
        return Past(tuple(kept)[surplus:], self.current - surplus)
