"""Neighbors of one state of a translation, as values that print and show themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from beamscope import neighbor_report
from dashboard.services import Services
from exported_models.contract.trace import Trace
from state_store.errors import StoreError
from state_store.neighborhood import TokenEvidence, gather_evidence
from state_store.neighbors import Neighbor


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The training states nearest to one state, nearest first; iterates over them.

    Attributes:
        space: name of the space.
        evidence: the neighbors with their tokens, distances and sentence pairs
            (`state_store.neighborhood.TokenEvidence`).
    """

    space: str
    evidence: TokenEvidence

    def __iter__(self) -> Iterator[Neighbor]:
        return iter(self.evidence.neighbors)

    def __len__(self) -> int:
        return len(self.evidence.neighbors)

    def __str__(self) -> str:
        return neighbor_report.describe_neighbors(self.space, self.evidence)

    def to_dict(self) -> dict[str, Any]:
        """The document that ``beamscope neighbors --json`` prints."""
        return neighbor_report.to_document(self.space, self.evidence)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def find_neighbors(services: Services, trace: Trace, rank: int, space: str, step: int, k: int) -> Neighbors:
    """The neighbors of one state of a hypothesis."""
    model = trace.request.model_id
    store = services.store(model)
    if store is None:
        raise StoreError(f"There is no state store for the model {model!r}: `beamscope build` makes one.")
    (evidence,) = gather_evidence(store, trace, trace.hypotheses[rank], space, k=k, positions=[step])
    return Neighbors(space, evidence)
