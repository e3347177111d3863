"""Lower bounds of distances, from a few numbers a row.

A sketch of a row holds its coordinates on the principal axes of the space, and the length of what they leave out.
Two sketches are never farther apart than their rows: along the axes distances are kept, and the lengths of two rests
differ by no more than the rests do. States of a trained model lie close to few axes, so the bounds are tight, and rows
that are too far are ruled out for a fraction of the cost of their distances.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats
from state_store.distances import ExpandedDistances, widen
from state_store.spaces import Rows, sample_rows

_AXES: Final = 32
SKETCHED_ROWS: Final = 1 << 20
"""Most rows of a space that are sketched, as sketches are in memory."""
_ROWS_OF_AXES: Final = 1 << 14
"""Rows that the axes are fitted on."""
_BLOCK: Final = 1 << 11
"""Rows taken at once, so that a block stays in the processor's cache."""
_ROUNDING: Final = 1e-5
"""Bounds are lower by this share of the squares they are computed from, as float32 rounds those."""
_REST_ROUNDING: Final = 2e-6
"""The square of a rest is a small difference of large numbers: it is taken to be larger by this share of them."""


class Bounds(Protocol):
    """Lower bounds of the distances from queries to all rows of a space."""

    def bound(self, queries: Floats) -> Floats:
        """Bound the squares of distances from below: [queries, rows] float32, rows in an order given before.

        Args:
            queries: [queries, size] float32.
        """


def make_bounds(vectors: NDArray[np.float16], order: Rows) -> Bounds:
    """Bounds for the rows of a space, in that order: sketches, or distances where the space is too large for those."""
    return Sketches(vectors, order) if len(order) <= SKETCHED_ROWS else MeasuredBounds(vectors, order)


class Sketches:
    """Bounds by the sketches of all rows, in memory: 140 bytes a row where the space has 32 dimensions and more."""

    def __init__(self, vectors: NDArray[np.float16], order: Rows) -> None:
        """Sketch the rows of ``vectors`` [rows, size] in that order."""
        self._axes = _fit_axes(vectors)
        # One column a row: a product with few queries takes a third of the time that one row a row takes.
        self._columns = np.ones((self._axes.shape[1] + 3, len(order)), np.float32)
        for start in range(0, len(order), _BLOCK):
            part = slice(start, start + _BLOCK)
            sketches, squares = _sketch(widen(vectors[order[part]]), self._axes)
            self._columns[:-2, part] = sketches.T
            self._columns[-2, part] = squares * (1 - _ROUNDING)

    def bound(self, queries: Floats) -> Floats:
        sketches, squares = _sketch(queries, self._axes)
        ones = np.ones((len(queries), 1), np.float32)
        # |v|^2 - 2 q.v + |q|^2 as one product.
        factors = np.concatenate([-2 * sketches, ones, squares[:, None] * (1 - _ROUNDING)], axis=1, dtype=np.float32)
        bounds = np.empty((len(queries), self._columns.shape[1]), np.float32)
        for start in range(0, bounds.shape[1], _BLOCK):
            part = slice(start, start + _BLOCK)
            np.matmul(factors, self._columns[:, part], out=bounds[:, part])
        return bounds


class MeasuredBounds:
    """Bounds by the distances to all rows, which are of unit length or zero, but for their rounding."""

    def __init__(self, vectors: NDArray[np.float16], order: Rows) -> None:
        self._expanded = ExpandedDistances(vectors)
        self._order = order

    def bound(self, queries: Floats) -> Floats:
        squares = np.einsum("qd,qd->q", queries, queries)[:, None]
        bounds = self._expanded.measure(queries)[:, self._order]
        bounds += squares - _ROUNDING * (1 + squares)
        return bounds


def _fit_axes(vectors: NDArray[np.float16]) -> Floats:
    """The axes [size, axes] along which the rows are longest, from a sample of them."""
    sample = widen(vectors[sample_rows(len(vectors), _ROWS_OF_AXES)])
    _, axes = np.linalg.eigh(sample.T @ sample)
    return np.ascontiguousarray(axes[:, ::-1][:, :_AXES])


def _sketch(rows: Floats, axes: Floats) -> tuple[Floats, Floats]:
    """Sketches [rows, axes + 1] of rows [rows, size], and the squares [rows] of their lengths."""
    squares = np.einsum("rd,rd->r", rows, rows)
    flat = rows @ axes
    rest = np.sqrt(np.maximum(squares - np.einsum("ra,ra->r", flat, flat), 0) + _REST_ROUNDING * squares)
    return np.concatenate([flat, rest[:, None]], axis=1), squares
