"""A neighbor search that keeps the hits of the states seen last: a what-if shares the states before its change."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from exported_models.contract.arrays import Floats
from exported_models.runtime.caches import OnceCache
from state_store.context_scan import Hit
from state_store.neighbors import NeighborSearch


@dataclass(frozen=True, slots=True)
class _Query:
    """Everything that decides the hits of one state, of which ``state`` has the bytes."""

    state: bytes
    k: int
    excluded: frozenset[int]


class RecentSearch:
    """Searches one space, and only for states that it has not seen lately. Safe to use from many threads."""

    def __init__(self, search: NeighborSearch, limit: int = 2048) -> None:
        """Keep the hits of ``limit`` states; the least recently used go first."""
        self._search = search
        self._kept: OnceCache[_Query, list[Hit]] = OnceCache(limit)

    def find(self, queries: Floats, k: int, excluded: Collection[int]) -> list[list[Hit]]:
        """Find as `NeighborSearch.find` does; ``excluded`` holds for every query."""

        def search(missing: Sequence[_Query]) -> list[list[Hit]]:
            states = np.stack([np.frombuffer(query.state, queries.dtype) for query in missing])
            return self._search.find(states, k, [excluded] * len(missing))

        return self._kept.get_many([_Query(state.tobytes(), k, frozenset(excluded)) for state in queries], search)
