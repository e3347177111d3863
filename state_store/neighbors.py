"""Search for the training examples nearest to a state: own sentence left out, equal contexts folded, true distances."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from exported_models.contract.arrays import Floats
from state_store.context_scan import ContextScan, Hit
from state_store.distances import NO_ROW
from state_store.index import NeighborIndex
from state_store.pairs import StoredPair
from state_store.sketches import SKETCHED_ROWS
from state_store.spaces import Rows, Space

_FETCHED_PER_NEIGHBOR = (4, 40)
"""Rows asked of the index for each wanted neighbor, one attempt after the other; then every row is looked at."""
_QUICKLY_FETCHED = 400
"""Where rows are sketched, looking at every row is as quick as asking the index for more than these."""


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A training example near a state.

    Attributes:
        row, sentence, position: row of the space, sentence of the store, token of the sentence.
        token_id, token: the token of that row; in a target space the token that the state predicts.
        next_token: the token after it, None at the end of the sentence.
        distance, duplicates: as in `Hit`.
        pair: the sentence pair of the row.
    """

    row: int
    sentence: int
    position: int
    token_id: int
    token: str
    next_token: str | None
    distance: float
    duplicates: int
    pair: StoredPair


class NeighborSearch:
    """Finds the nearest contexts of one space: by the index, and by comparing all rows where it finds too few."""

    def __init__(self, space: Space, index: NeighborIndex) -> None:
        self._space = space
        self._index = index
        self._scan = ContextScan(space)

    def find(self, queries: Floats, k: int, excluded: Sequence[Collection[int]] | None = None) -> list[list[Hit]]:
        """Find the ``k`` nearest hits of each query, nearest first; fewer where the space has no more.

        Args:
            queries: [queries, size] float32 unit vectors, from `Space.normalize`.
            excluded: for each query, ids of sentences whose rows are ignored.
        """
        left_out = [self._rows_of(sentences) for sentences in excluded or [()] * len(queries)]
        hits: list[list[Hit]] = [[] for _ in range(len(queries))]
        pending = list(range(len(queries)))
        for fetched in self._plan_attempts(k):
            if pending:
                rows, distances = self._index.search(queries[pending], fetched)
                for query, found, true in zip(pending, rows, distances, strict=True):
                    hits[query] = self._select(found, true, k, left_out[query])
                pending = [query for query in pending if len(hits[query]) < k]
        scanned = self._scan.find(queries[pending], k, [left_out[query] for query in pending])
        for query, found_by_scan in zip(pending, scanned, strict=True):
            hits[query] = found_by_scan
        return hits

    def _plan_attempts(self, k: int) -> list[int]:
        """List how many rows the index is asked for, one attempt after the other."""
        rows = len(self._space)
        attempts = [k * times for times in _FETCHED_PER_NEIGHBOR]
        if rows <= SKETCHED_ROWS and attempts[-1] > _QUICKLY_FETCHED:
            attempts.pop()
        return [fetched for fetched in attempts if fetched < rows]

    def _rows_of(self, sentences: Collection[int]) -> Rows:
        rows = [np.asarray(self._space.rows_of(sentence), np.int64) for sentence in sentences]
        return np.concatenate(rows) if rows else np.empty(0, np.int64)

    def _select(self, rows: Rows, distances: Floats, k: int, left_out: Rows) -> list[Hit]:
        """Fold the rows that an index found; no hits where they are of no more than ``k`` contexts."""
        kept = (rows != NO_ROW) & ~np.isin(rows, left_out)
        rows, distances = rows[kept], distances[kept]
        contexts = np.asarray(self._space.contexts[rows])
        first = np.sort(np.unique(contexts, return_index=True)[1])
        if len(first) <= k:
            return []
        listed = contexts[: first[k]]
        return [
            Hit(int(rows[place]), float(distances[place]), int(np.count_nonzero(listed == contexts[place])) - 1)
            for place in first[:k]
        ]
