"""Neighborhoods, remembered: the map, the pictograms, the neighbor list and the API ask for the same ones."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from exported_models.request import Request
from exported_models.trace import Trace
from state_store.neighborhood import MapKind, Neighborhood, neighborhood
from state_store.store import StateStore

NEIGHBORS_A_WORD: Final = 20
MAX_BACKGROUND: Final = 5000
"""Most states of the corpus drawn behind a map."""


@dataclass(frozen=True, slots=True)
class NeighborhoodKey:
    """Everything that decides a neighborhood: equal keys, equal pictures."""

    request: Request
    model_hash: str
    store_hash: str
    space: str
    hypothesis: int
    k: int
    map_kind: MapKind


class NeighborhoodCache:
    """The least recently used go first; threads that ask the same thing at once compute it once."""

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._entries: OrderedDict[NeighborhoodKey, Future[Neighborhood]] = OrderedDict()
        self._lock = threading.Lock()

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
        """The neighborhood of a hypothesis (by rank), or of the source where the space belongs to it."""
        key = NeighborhoodKey(
            trace.request, trace.model_hash, store.manifest.content_hash, space, hypothesis, k, map_kind
        )
        entry, is_new = self._claim(key)
        if is_new:
            try:
                chosen = trace.hypotheses[hypothesis]
                entry.set_result(neighborhood(store, trace, chosen, space, k=k, map_kind=map_kind))
            except BaseException as error:
                self._forget(key)
                entry.set_exception(error)
        return entry.result()

    def _claim(self, key: NeighborhoodKey) -> tuple[Future[Neighborhood], bool]:
        with self._lock:
            known = self._entries.get(key)
            if known is not None:
                self._entries.move_to_end(key)
                return known, False
            entry = self._entries[key] = Future()
            if len(self._entries) > self._limit:
                self._entries.popitem(last=False)
            return entry, True

    def _forget(self, key: NeighborhoodKey) -> None:
        with self._lock:
            self._entries.pop(key, None)
