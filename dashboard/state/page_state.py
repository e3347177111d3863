"""What the page shows, as values: the request with its chosen hypothesis, and the selected word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from exported_models.contract.documents import RequestDocument
from exported_models.contract.request import Request
from exported_models.contract.trace import Hypothesis, Trace

Side = Literal["source", "target"]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PageState:
    """The content of ``PageId.REQUEST``."""

    request: Request
    hypothesis: int = 0

    def to_json(self) -> Json:
        document = RequestDocument.of(self.request).model_dump(mode="json", exclude_defaults=True)
        return {"request": document, "hypothesis": self.hypothesis}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PageState:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is not a request (pydantic's ValidationError is one).
        """
        hypothesis = int(value["hypothesis"])
        if hypothesis < 0:
            raise ValueError(f"there is no hypothesis {hypothesis}")
        return cls(RequestDocument.model_validate(value["request"]).to_request(), hypothesis)

    def hypothesis_of(self, trace: Trace) -> Hypothesis:
        """The chosen hypothesis; the best where the list has become shorter."""
        return trace.hypotheses[self.hypothesis] if self.hypothesis < len(trace.hypotheses) else trace.best


@dataclass(frozen=True, slots=True)
class Selection:
    """The content of ``PageId.SELECTION``: one source or target word."""

    side: Side
    index: int

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None, trace: Trace, hypothesis: Hypothesis) -> Selection | None:
        """The selected word, or None when there is none or the sentence no longer has it."""
        if not value:
            return None
        side: Side = "source" if value["side"] == "source" else "target"
        count = len(trace.source) if side == "source" else len(hypothesis.tokens)
        index = int(value["index"])
        return cls(side, index) if 0 <= index < count else None
