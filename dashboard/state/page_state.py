"""Values of a pane: the request with its chosen hypothesis, and the selected word."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from exported_models.contract.documents import RequestDocument
from exported_models.contract.numbers import WholeNumber
from exported_models.contract.request import Request
from exported_models.contract.trace import Hypothesis, Trace

Side = Literal["source", "target"]
Json = dict[str, Any]


class _AnswerDocument(BaseModel):
    """A request and the hypothesis of its answer in JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request: RequestDocument
    hypothesis: WholeNumber = Field(ge=0)


class StateDocument(_AnswerDocument):
    """A page state in JSON."""

    pinned: _AnswerDocument | None = None

    def to_state(self) -> PageState:
        """The state of this document."""
        beside = self.pinned
        pinned = PageState(beside.request.to_request(), beside.hypothesis) if beside else None
        return PageState(self.request.to_request(), self.hypothesis, pinned)


@dataclass(frozen=True, slots=True)
class PageState:
    """A request, and the hypothesis of its answer that is shown.

    Attributes:
        pinned: the state that this one is compared with, itself without a pin; None where nothing is pinned.
    """

    request: Request
    hypothesis: int = 0
    pinned: PageState | None = None

    @property
    def bare(self) -> PageState:
        """The same answer without a pin."""
        return replace(self, pinned=None)

    @property
    def compares(self) -> bool:
        """Whether another answer is pinned than the one that is shown."""
        return self.pinned is not None and self.pinned != self.bare

    def pin(self, pinned: PageState | None) -> PageState:
        """The same answer beside another one."""
        return replace(self, pinned=pinned and pinned.bare)

    def to_json(self) -> Json:
        document = RequestDocument.of(self.request).model_dump(mode="json", exclude_defaults=True)
        pinned = {"pinned": self.pinned.to_json()} if self.pinned else {}
        return {"request": document, "hypothesis": self.hypothesis, **pinned}

    @classmethod
    def from_json(cls, value: object) -> PageState:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is not a request (pydantic's ValidationError is one).
        """
        return StateDocument.model_validate(value).to_state()

    def hypothesis_of(self, trace: Trace) -> Hypothesis:
        """The chosen hypothesis; the best where the list has become shorter."""
        return trace.hypotheses[self.hypothesis] if self.hypothesis < len(trace.hypotheses) else trace.best


@dataclass(frozen=True, slots=True)
class Selection:
    """One source or target word, counted from 0."""

    side: Side
    index: int

    def within(self, trace: Trace, hypothesis: Hypothesis) -> Selection | None:
        """The selection, or None where the sentence has no such word."""
        count = len(trace.source) if self.side == "source" else len(hypothesis.tokens)
        return self if 0 <= self.index < count else None

    def to_json(self) -> Json:
        return {"side": self.side, "index": self.index}
