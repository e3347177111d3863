"""Exact search for the nearest contexts of a query, among all rows of a space.

In a corpus that repeats itself one context has thousands of rows. An index would have to be asked for more and more
rows until enough contexts are among them. Here lower bounds (`state_store.sketches`) rule out most rows, and the
distances of the others are measured:

1. The contexts with the lowest bounds are measured at one row each. The (k+1)-th smallest of these distances is a
   limit: the nearest k+1 contexts are no farther.
2. Every row whose bound is within the limit is measured. All rows that matter are among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats
from state_store.distances import measure_distances
from state_store.sketches import Bounds, make_bounds
from state_store.spaces import Rows, Space

_SPARE_CONTEXTS = 16
"""Contexts measured for the limit beyond those needed: the more, the closer it is."""
_BOUNDS_AT_ONCE = 1 << 25
_FARTHEST = float(np.finfo(np.float32).max)
"""Beyond every bound but that of a row that is ignored."""


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
class _RowsByContext:
    """All rows of a space, ordered by context and then by row.

    Attributes:
        rows: [rows] row at each place of this order.
        places: [rows] place of each row.
        contexts: [rows] int32 number of the context at each place.
        starts: [contexts] first place of each context.
        bounds: lower bounds of distances to the rows, in this order.
    """

    rows: Rows
    places: Rows
    contexts: NDArray[np.int32]
    starts: Rows
    bounds: Bounds

    def extents(self, contexts: Rows) -> Iterator[tuple[int, int]]:
        """The first place of each context, and the place after its last."""
        ends = np.append(self.starts, len(self.rows))[1:]
        return zip(self.starts[contexts].tolist(), ends[contexts].tolist(), strict=True)

    @classmethod
    def of(cls, space: Space) -> _RowsByContext:
        contexts = np.asarray(space.contexts)
        rows = np.argsort(contexts, kind="stable")
        places = np.empty_like(rows)
        places[rows] = np.arange(len(rows))
        return cls(rows, places, contexts[rows], _find_starts(contexts[rows]), make_bounds(space.vectors, rows))


class ContextScan:
    """Exact search for contexts in one space."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._lock = Lock()
        self._made: _RowsByContext | None = None

    def find(self, queries: Floats, k: int, left_out: Sequence[Rows]) -> list[list[Hit]]:
        """Find the ``k`` nearest contexts of each query, nearest first; fewer where the space has no more.

        Args:
            queries: [queries, size] float32 unit vectors.
            left_out: for each query, rows that are ignored.
        """
        step = max(1, _BOUNDS_AT_ONCE // len(self._space))
        hits = []
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            bounds = self._ordered.bounds.bound(queries[part])
            for query, row_bounds, rows in zip(queries[part], bounds, left_out[part], strict=True):
                row_bounds[self._ordered.places[rows]] = np.inf
                hits.append(self._nearest(query, row_bounds, k))
        return hits

    @property
    def _ordered(self) -> _RowsByContext:
        """Made at first use, once however many threads ask: it takes about a second, and memory for every row."""
        with self._lock:
            if self._made is None:
                self._made = _RowsByContext.of(self._space)
            return self._made

    def _nearest(self, query: Floats, bounds: Floats, k: int) -> list[Hit]:
        """Find the nearest contexts by the bounds [rows] of one query, infinite for rows that are ignored."""
        places = np.flatnonzero(bounds <= self._find_limit(query, bounds, k))
        rows, contexts = self._ordered.rows[places], self._ordered.contexts[places]
        distances = measure_distances(self._space.vectors, query, rows)
        return list_hits(rows, distances, contexts, k)

    def _find_limit(self, query: Floats, bounds: Floats, k: int) -> float:
        """Find the square of a distance within which more than ``k`` contexts lie, if there are as many."""
        ordered = self._ordered
        lowest = np.minimum.reduceat(bounds, ordered.starts)
        if len(lowest) <= k:
            return _FARTHEST
        last = min(k + _SPARE_CONTEXTS, len(lowest) - 1)
        likely = np.argpartition(lowest, last)[: last + 1]
        places = [first + int(bounds[first:end].argmin()) for first, end in ordered.extents(likely)]
        distances = measure_distances(self._space.vectors, query, ordered.rows[places])
        distances[~np.isfinite(bounds[places])] = np.inf
        return min(float(np.partition(distances, k)[k]) ** 2, _FARTHEST)


def list_hits(rows: Rows, distances: Floats, contexts: NDArray[np.int32], k: int) -> list[Hit]:
    """List the ``k`` nearest contexts of some rows, nearest first, equal distances in order of row.

    Args:
        rows, distances, contexts: [rows] of one query, ordered by context and then by row.
    """
    nearby = _find_nearest(distances, contexts, k + 1)
    places = np.array([part.start + int(distances[part].argmin()) for part in nearby], np.int64)
    order = np.lexsort((rows[places], distances[places])).tolist()
    unlisted = [(float(distances[places[number]]), int(rows[places[number]])) for number in order[k : k + 1]]
    return [
        Hit(int(rows[place]), float(distances[place]), _count(rows[part], distances[part], unlisted) - 1)
        for place, part in ((places[number], nearby[number]) for number in order[:k])
    ]


def _find_nearest(distances: Floats, contexts: NDArray[np.int32], count: int) -> list[slice]:
    """The rows of the ``count`` nearest contexts, in no order, with those of others that are equally near."""
    starts = _find_starts(contexts)
    ends = np.append(starts, len(contexts))[1:]
    if len(starts) > count:
        nearest = np.minimum.reduceat(distances, starts)
        near = nearest <= np.partition(nearest, count - 1)[count - 1]
        starts, ends = starts[near], ends[near]
    return [slice(start, end) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def _count(rows: Rows, distances: Floats, unlisted: Sequence[tuple[float, int]]) -> int:
    """Count the rows that are nearer than the nearest row of the first context that is not listed, if there is one."""
    for distance, row in unlisted:
        return int(np.count_nonzero((distances < distance) | ((distances == distance) & (rows < row))))
    return len(rows)


def _find_starts(contexts: NDArray[np.int32]) -> Rows:
    """The first place of each run of equal numbers."""
    return np.flatnonzero(np.diff(contexts, prepend=-1))
