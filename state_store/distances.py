"""Distances between float32 queries and the float16 vectors of a space."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats
from state_store.spaces import Rows

NO_ROW: Final = -1
SCANNED_ROWS: Final = 1 << 14
"""Rows whose distances are computed at once."""
_WIDENED_ROWS: Final = 1 << 11
"""Rows converted at once, so that a block stays in the processor's cache."""
_MEASURED_ROWS: Final = 1 << 9
"""Rows measured at once, fewer than those, as rows and differences are both in the cache."""


def widen(halves: NDArray[np.float16]) -> Floats:
    """Convert finite float16 to float32, exactly.

    Three times as fast as `numpy.ndarray.astype`: the bits of a float16, shifted to their places in a float32, are the
    same number with an exponent that is 112 too small.
    """
    bits = np.ascontiguousarray(halves).view(np.int16).astype(np.int32)
    np.left_shift(bits, 13, out=bits)
    np.bitwise_and(bits, _SIGN_AND_VALUE, out=bits)
    floats = bits.view(np.float32)
    np.multiply(floats, _EXPONENT_SHIFT, out=floats)
    return floats


# Shifting a negative int32 copies its sign into three bits of the exponent, which the mask clears.
_SIGN_AND_VALUE: Final = np.uint32(0x8FFFE000).view(np.int32)
_EXPONENT_SHIFT: Final = np.float32(2.0**112)


class ExpandedDistances:
    """Square distances by ``|v|^2 - 2 q.v + |q|^2``, without the last term, which orders no rows.

    The squares of the vectors are computed once and kept: 4 bytes a row.
    """

    def __init__(self, vectors: NDArray[np.float16]) -> None:
        self._vectors = vectors

    def measure(self, queries: Floats, rows: slice = slice(None)) -> Floats:
        """Square distances [queries, rows] float32, less each query's own square.

        Args:
            rows: rows of the space, without a step.
        """
        first, end, _ = rows.indices(len(self._vectors))
        distances = np.empty((len(queries), end - first), np.float32)
        doubled = np.ascontiguousarray(-2 * queries.T)
        for start, block in _widen_blocks(self._vectors[first:end]):
            # Few queries times many rows: this order is twice as fast as its transpose.
            distances[:, start : start + len(block)] = (block @ doubled).T
        distances += self._squares[first:end]
        return distances

    @cached_property
    def _squares(self) -> Floats:
        squares = np.empty(len(self._vectors), np.float32)
        for start, block in _widen_blocks(self._vectors):
            np.einsum("rd,rd->r", block, block, out=squares[start : start + len(block)])
        return squares


def _widen_blocks(vectors: NDArray[np.float16]) -> Iterator[tuple[int, Floats]]:
    for start in range(0, len(vectors), _WIDENED_ROWS):
        yield start, widen(vectors[start : start + _WIDENED_ROWS])


def rescore(vectors: NDArray[np.float16], queries: Floats, candidates: Rows, count: int) -> tuple[Rows, Floats]:
    """Order candidate rows by their true distance and keep the nearest ``count``.

    Args:
        vectors: [rows, size] float16
        queries: [queries, size] float32
        candidates: [queries, candidates] rows, `NO_ROW` where there is none.

    Returns:
        as `NeighborIndex.search` of `state_store.index`.
    """
    rows = np.full((len(queries), count), NO_ROW, np.int64)
    distances = np.full((len(queries), count), np.inf, np.float32)
    true = _measure_pairs(vectors, queries, candidates)
    order = np.lexsort((candidates, true), axis=1)[:, :count]
    kept = order.shape[1]
    distances[:, :kept] = np.take_along_axis(true, order, axis=1)
    rows[:, :kept] = np.take_along_axis(candidates, order, axis=1)
    return rows, distances


def measure_distances(vectors: NDArray[np.float16], query: Floats, rows: Rows) -> Floats:
    """True distances [rows] float32 of one query [size] to rows of a space, by differences."""
    vectors = np.asarray(vectors)  # rows of a memory map are taken by way of Python
    distances = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _MEASURED_ROWS):
        part = slice(start, start + _MEASURED_ROWS)
        difference = widen(np.take(vectors, rows[part], axis=0))
        difference -= query
        distances[part] = np.sqrt(np.einsum("rd,rd->r", difference, difference))
    return distances


def _measure_pairs(vectors: NDArray[np.float16], queries: Floats, candidates: Rows) -> Floats:
    """True distances [queries, candidates], infinite to `NO_ROW`; by differences, as expanded squares lose digits."""
    rows = candidates.ravel()
    owners = np.repeat(np.arange(len(queries)), candidates.shape[1])
    distances = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), SCANNED_ROWS):
        part = slice(start, start + SCANNED_ROWS)
        difference = widen(vectors[rows[part]]) - queries[owners[part]]
        distances[part] = np.sqrt(np.einsum("rd,rd->r", difference, difference))
    distances[rows == NO_ROW] = np.inf
    return distances.reshape(candidates.shape)
