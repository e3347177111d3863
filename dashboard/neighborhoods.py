"""Neighborhoods, remembered: strip, map, pictograms, neighbor list and API ask for the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from exported_models.contract.request import Request
from exported_models.contract.trace import Trace
from exported_models.runtime.caches import OnceCache
from state_store.neighborhood import MapKind, Neighborhood, TokenEvidence, gather_evidence, map_evidence
from state_store.store import StateStore

NEIGHBORS_A_WORD: Final = 20
MAX_BACKGROUND: Final = 5000
"""Most states of the corpus drawn behind a map."""


@dataclass(frozen=True, slots=True)
class EvidenceKey:
    """Everything that decides the neighbors of the states of one side."""

    request: Request
    model_hash: str
    store_hash: str
    space: str
    hypothesis: int
    k: int


class NeighborhoodCache:
    """The least recently used go first; threads that ask the same thing at once compute it once.

    Neighbors are kept apart from maps: they take most of the time, and every map is of the same ones.
    """

    def __init__(self, limit: int = 64) -> None:
        self._evidence: OnceCache[EvidenceKey, tuple[TokenEvidence, ...]] = OnceCache(limit)
        self._maps: OnceCache[tuple[EvidenceKey, MapKind], Neighborhood] = OnceCache(limit)
        self._merged: OnceCache[tuple[tuple[EvidenceKey, ...], MapKind], tuple[Neighborhood, ...]] = OnceCache(limit)

    def evidence(
        self, store: StateStore, trace: Trace, hypothesis: int, space: str, *, k: int = NEIGHBORS_A_WORD
    ) -> tuple[TokenEvidence, ...]:
        """The neighbors of every token of a hypothesis (by rank), or of the source where the space belongs to it."""
        chosen = trace.hypotheses[hypothesis]
        key = _make_key(store, trace, hypothesis, space, k)
        return self._evidence.get(key, lambda: gather_evidence(store, trace, chosen, space, k=k))

    def get(
        self,
        store: StateStore,
        trace: Trace,
        hypothesis: int,
        space: str,
        *,
        map_kind: MapKind,
        k: int = NEIGHBORS_A_WORD,
    ) -> Neighborhood:
        """The neighbors of every token, placed on a map."""

        def lay_out() -> Neighborhood:
            evidence = self.evidence(store, trace, hypothesis, space, k=k)
            items = [(trace, trace.hypotheses[hypothesis])]
            return map_evidence(store, items, [evidence], space, map_kind=map_kind)[0]

        return self._maps.get((_make_key(store, trace, hypothesis, space, k), map_kind), lay_out)

    def merged(
        self,
        store: StateStore,
        items: Sequence[tuple[Trace, int]],
        space: str,
        *,
        map_kind: MapKind,
        k: int = NEIGHBORS_A_WORD,
    ) -> tuple[Neighborhood, ...]:
        """The neighbors of several traces, each with the rank of its hypothesis, placed on one map."""

        def lay_out() -> tuple[Neighborhood, ...]:
            evidence = [self.evidence(store, trace, rank, space, k=k) for trace, rank in items]
            shown = [(trace, trace.hypotheses[rank]) for trace, rank in items]
            return map_evidence(store, shown, evidence, space, map_kind=map_kind)

        keys = tuple(_make_key(store, trace, rank, space, k) for trace, rank in items)
        return self._merged.get((keys, map_kind), lay_out)


def _make_key(store: StateStore, trace: Trace, hypothesis: int, space: str, k: int) -> EvidenceKey:
    request: Request = trace.request
    if store.space(space).entry.owner == "source":
        # The states of a source depend on no search: every what-if about a source shares them.
        request, hypothesis = replace(Request(request.model_id, request.source), ablations=request.ablations), 0
    return EvidenceKey(request, trace.model_hash, store.manifest.content_hash, space, hypothesis, k)
