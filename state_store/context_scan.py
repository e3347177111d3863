"""Exact search for the nearest contexts of a query: one pass over every row of a space.

In a corpus that repeats itself one context has thousands of rows. An index would have to be asked for more and more
rows until enough contexts are among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from exported_models.contract.arrays import Floats
from state_store.distances import NO_ROW, ExpandedDistances, rescore
from state_store.spaces import Rows, Space

# Expanded squares lose digits for close vectors, so spare contexts, and some rows of each, are measured exactly.
_SPARE_CONTEXTS = 16
_MEASURED_PER_CONTEXT = 4
_SCORES_AT_ONCE = 1 << 26


@dataclass(frozen=True, slots=True)
class Hit:
    """A context near a query, represented by its nearest row.

    Attributes:
        row: nearest row of the context.
        distance: Euclidean distance between the normalized query and that row's stored vector.
        duplicates: number of other rows of the context that are nearer than the first context that is not listed.
    """

    row: int
    distance: float
    duplicates: int


@dataclass(frozen=True, slots=True)
class _Nearby:
    """A context near a query: its nearest row and all its rows."""

    row: int
    distance: float
    rows: Rows


class ContextScan:
    """Exact search for contexts in one space."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._expanded = ExpandedDistances(space.vectors)

    def find(self, queries: Floats, k: int, left_out: Sequence[Rows]) -> list[list[Hit]]:
        """Find the ``k`` nearest contexts of each query, nearest first; fewer where the space has no more.

        Args:
            queries: [queries, size] float32 unit vectors.
            left_out: for each query, rows that are ignored.
        """
        step = max(1, _SCORES_AT_ONCE // len(self._space))
        hits = []
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            scores = self._expanded.measure(queries[part])
            for query, row_scores, rows in zip(queries[part], scores, left_out[part], strict=True):
                row_scores[rows] = np.inf
                hits.append(self._nearest(query, row_scores, k))
        return hits

    @cached_property
    def _rows_by_context(self) -> tuple[Rows, Rows]:
        """All rows ordered by context, and the first place of each context in that order."""
        contexts = np.asarray(self._space.contexts)
        order = np.argsort(contexts, kind="stable")
        return order, np.flatnonzero(np.diff(contexts[order], prepend=-1))

    def _nearest(self, query: Floats, scores: Floats, k: int) -> list[Hit]:
        nearby = sorted(
            self._measure(query, scores, self._nearest_contexts(scores, k + _SPARE_CONTEXTS)),
            key=lambda found: (found.distance, found.row),
        )
        unlisted = nearby[k].distance if len(nearby) > k else np.inf
        limit = unlisted**2 - float(query @ query)
        return [
            Hit(found.row, found.distance, max(0, int(np.count_nonzero(scores[found.rows] < limit)) - 1))
            for found in nearby[:k]
        ]

    def _nearest_contexts(self, scores: Floats, count: int) -> list[Rows]:
        """The rows of the ``count`` contexts with the lowest best score, in no order; ignored contexts are skipped."""
        order, starts = self._rows_by_context
        best = np.minimum.reduceat(scores[order], starts)
        ends = np.append(starts[1:], len(order))
        count = min(count, len(best))
        nearest = np.argpartition(best, count - 1)[:count]
        return [order[starts[context] : ends[context]] for context in nearest[np.isfinite(best[nearest])]]

    def _measure(self, query: Floats, scores: Floats, contexts: Sequence[Rows]) -> list[_Nearby]:
        """The nearest row of each context, by its true distance; the rows of all are measured in one call."""
        candidates = np.full((len(contexts), _MEASURED_PER_CONTEXT), NO_ROW, np.int64)
        for chosen, rows in zip(candidates, contexts, strict=True):
            most = min(_MEASURED_PER_CONTEXT, len(rows))
            chosen[:most] = rows[np.argpartition(scores[rows], most - 1)[:most]]
        candidates[~np.isfinite(scores[candidates])] = NO_ROW
        queries = np.broadcast_to(query, (len(contexts), len(query)))
        found, distances = rescore(self._space.vectors, queries, candidates, 1)
        return [
            _Nearby(int(row), float(distance), rows)
            for row, distance, rows in zip(found[:, 0], distances[:, 0], contexts, strict=True)
        ]
