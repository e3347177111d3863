"""Search for the nearest rows: the protocol, and exact search, against which other indexes are measured."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats
from state_store.distances import SCANNED_ROWS, ExpandedDistances, rescore
from state_store.spaces import Rows

RECALL_COUNT = 10
_SPARE_CANDIDATES = 16
_CANDIDATES_AT_ONCE = 1 << 22


class NeighborIndex(Protocol):
    """Nearest rows by Euclidean distance."""

    def search(self, queries: Floats, count: int) -> tuple[Rows, Floats]:
        """Find the nearest rows of each query, nearest first, equal distances in order of row.

        Args:
            queries: [queries, size] finite float32.
            count: number of rows; where fewer are found, the rest is `NO_ROW` at infinite distance.

        Returns:
            rows [queries, count] int64; true distances to the stored vectors [queries, count] float32.
        """


class ExactIndex:
    """Compares a query with every row, block by block, in bounded memory."""

    def __init__(self, vectors: NDArray[np.float16]) -> None:
        self._vectors = vectors
        self._expanded = ExpandedDistances(vectors)

    def search(self, queries: Floats, count: int) -> tuple[Rows, Floats]:
        # Expanded squares lose digits for close vectors; spare candidates keep the true nearest rows among them.
        wanted = min(count + _SPARE_CANDIDATES, len(self._vectors))
        rows = np.empty((len(queries), count), np.int64)
        distances = np.empty((len(queries), count), np.float32)
        step = max(1, _CANDIDATES_AT_ONCE // (wanted + SCANNED_ROWS))
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            candidates = self._nominate(queries[part], wanted)
            rows[part], distances[part] = rescore(self._vectors, queries[part], candidates, count)
        return rows, distances

    def _nominate(self, queries: Floats, wanted: int) -> Rows:
        """Find the ``wanted`` rows of smallest expanded square distance, in no order."""
        candidates = np.empty((len(queries), 0), np.int64)
        scores = np.empty((len(queries), 0), np.float32)
        for start in range(0, len(self._vectors), SCANNED_ROWS):
            block_scores = self._expanded.measure(queries, slice(start, start + SCANNED_ROWS))
            nearest = _smallest(block_scores, wanted)
            candidates = np.concatenate([candidates, nearest + start], axis=1)
            scores = np.concatenate([scores, np.take_along_axis(block_scores, nearest, axis=1)], axis=1)
            best = _smallest(scores, wanted)
            candidates = np.take_along_axis(candidates, best, axis=1)
            scores = np.take_along_axis(scores, best, axis=1)
        return candidates


def _smallest(scores: Floats, count: int) -> Rows:
    """Columns [queries, count] of the smallest scores [queries, columns]; all columns where there are fewer."""
    if scores.shape[1] <= count:
        return np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    return np.argpartition(scores, count - 1, axis=1)[:, :count]


def measure_recall(index: NeighborIndex, exact: NeighborIndex, queries: Floats) -> float:
    """Measure recall@10: the share of each query's ten true nearest rows that the index finds.

    A row as near as the true tenth counts as found, as rows at equal distances are interchangeable.
    """
    _, truth = exact.search(queries, RECALL_COUNT)
    _, found = index.search(queries, RECALL_COUNT)
    wanted = np.isfinite(truth)
    farthest = np.where(wanted, truth, -np.inf).max(axis=1, keepdims=True)
    return float(((found <= farthest) & wanted).sum() / max(1, wanted.sum()))
