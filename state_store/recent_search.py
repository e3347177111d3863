"""A neighbor search that keeps the hits of the states seen last: a what-if shares the states before its change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

from exported_models.contract.arrays import Floats
from state_store.context_scan import Hit
from state_store.neighbors import NeighborSearch


@dataclass(frozen=True, slots=True)
class _Query:
    """Everything that decides the hits of one state."""

    state: bytes
    k: int
    excluded: frozenset[int]


class RecentSearch:
    """Searches one space, and only for states that it has not seen lately. Safe to use from many threads."""

    def __init__(self, search: NeighborSearch, limit: int = 2048) -> None:
        """Keep the hits of ``limit`` states; the least recently used go first."""
        self._search = search
        self._limit = limit
        self._kept: OrderedDict[_Query, list[Hit]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, queries: Floats, k: int, excluded: Collection[int]) -> list[list[Hit]]:
        """Find as `NeighborSearch.find` does; ``excluded`` holds for every query."""
        wanted = [_Query(query.tobytes(), k, frozenset(excluded)) for query in queries]
        found = self._recall(wanted)
        missing = [place for place, query in enumerate(wanted) if query not in found]
        if missing:
            news = self._search.find(queries[missing], k, [excluded] * len(missing))
            found |= {wanted[place]: hits for place, hits in zip(missing, news, strict=True)}
        self._keep(found)
        return [found[query] for query in wanted]

    def _recall(self, wanted: Collection[_Query]) -> dict[_Query, list[Hit]]:
        with self._lock:
            return {query: self._kept[query] for query in wanted if query in self._kept}

    def _keep(self, found: dict[_Query, list[Hit]]) -> None:
        with self._lock:
            for query, hits in found.items():
                self._kept[query] = hits
                self._kept.move_to_end(query)
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
