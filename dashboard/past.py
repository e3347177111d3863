"""The history: a tree of requests, each what-if a child of what it changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dashboard.page_state import Json, PageState


@dataclass(frozen=True, slots=True)
class Moment:
    """One request of the history. ``next`` is the child that was left last: where redo goes."""

    state: PageState
    label: str
    parent: int | None = None
    next: int | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """Every moment in the order it was made, and the one on the page."""

    moments: tuple[Moment, ...] = ()
    current: int = -1

    @property
    def now(self) -> Moment | None:
        """The moment on the page."""
        return self.moments[self.current] if self.moments else None

    @property
    def undo_target(self) -> PageState | None:
        """Where undo goes."""
        parent = self.now.parent if self.now else None
        return None if parent is None else self.moments[parent].state

    @property
    def redo_target(self) -> PageState | None:
        """Where redo goes."""
        child = self.now.next if self.now else None
        return None if child is None else self.moments[child].state

    def visit(self, state: PageState, label: str) -> Past:
        """Go to the moment of that request; a request not seen before becomes a child of the current moment."""
        for index, moment in enumerate(self.moments):
            if moment.state.request == state.request:
                return self._with(index, replace(moment, state=state))._remember_way_to(index)
        parent = self.current if self.moments else None
        moments = (*self.moments, Moment(state, label, parent))
        return Past(moments, len(moments) - 1)._remember_way_to(len(moments) - 1)

    def to_json(self) -> Json:
        moments = [[moment.state.to_json(), moment.label, moment.parent, moment.next] for moment in self.moments]
        return {"moments": moments, "current": self.current}

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Past:
        if not value:
            return cls()
        moments = (Moment(PageState.from_json(s), label, parent, child) for s, label, parent, child in value["moments"])
        return cls(tuple(moments), value["current"])

    def _with(self, index: int, moment: Moment) -> Past:
        return Past((*self.moments[:index], moment, *self.moments[index + 1 :]), index)

    def _remember_way_to(self, index: int) -> Past:
        """Redo from the parent leads here."""
        parent = self.moments[index].parent
        if parent is None:
            return self
        moments = list(self.moments)
        moments[parent] = replace(moments[parent], next=index)
        return Past(tuple(moments), index)
