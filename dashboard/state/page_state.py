"""Values of a pane: the request with its chosen hypothesis, and the selected word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from exported_models.contract.documents import RequestDocument
from exported_models.contract.numbers import WholeNumber
from exported_models.contract.request import Request
from exported_models.contract.trace import Hypothesis, Trace

Side = Literal["source", "target"]
Json = dict[str, Any]


class StateDocument(BaseModel):
    """A page state in JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request: RequestDocument
    hypothesis: WholeNumber = Field(ge=0)

    def to_state(self) -> PageState:
        """The state of this document."""
        return PageState(self.request.to_request(), self.hypothesis)


@dataclass(frozen=True, slots=True)
class PageState:
    """A request, and the hypothesis of its answer that is shown."""

    request: Request
    hypothesis: int = 0

    def to_json(self) -> Json:
        document = RequestDocument.of(self.request).model_dump(mode="json", exclude_defaults=True)
        return {"request": document, "hypothesis": self.hypothesis}

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
