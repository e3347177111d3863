"""Maps of a whole space, fitted once a build and stored, so that a place means the same in every query.

A new state is placed at the mean of its neighbors' places, weighted by inverse distance. The map itself is not fitted
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats
from state_store import layout
from state_store.arrays import map_array, write_array
from state_store.errors import MapError
from state_store.local_maps import Doubles, fix_signs, measure_all_distances
from state_store.manifest import GlobalMapKind
from state_store.scann_index import index_in_memory
from state_store.spaces import Rows, sample_rows

LANDMARKS = 1000
_PLACED_ROWS = 1 << 13
_PLACING_NEIGHBORS = 8
# Keeps the weight of a neighbor at distance 0 finite; such a state takes the neighbor's place.
_NO_DISTANCE = 1e-6


@dataclass(frozen=True, slots=True)
class MapBackground:
    """A sample of a global map to draw behind a trajectory: ``rows`` [n] int64, ``positions`` [n, 2] float32."""

    rows: Rows
    positions: Floats


class GlobalMap:
    """The stored map of one space: ``positions`` [rows, 2] float32, one place for each row of the space."""

    def __init__(self, folder: Path, kind: GlobalMapKind, rows: int) -> None:
        """Open a map in a space's folder.

        Raises:
            StoreError: its file is missing, damaged or of another number of rows.
        """
        self.kind = kind
        self.positions: Floats = map_array(folder / layout.map_filename(kind), np.float32, (rows, 2))

    def place(self, rows: Sequence[int], distances: Sequence[float]) -> Floats:
        """Place a state by its nearest rows and their distances: [2] float32; the middle of the map without any."""
        if not len(rows):
            return np.asarray(self.positions.mean(axis=0), np.float32)
        return weigh_places(self.positions[np.asarray(rows, np.int64)], np.asarray(distances, np.float32))

    def background(self, limit: int) -> MapBackground:
        """Sample at most ``limit`` rows, evenly spread over the corpus; equal limits give equal samples."""
        rows = sample_rows(len(self.positions), limit)
        return MapBackground(rows, np.array(self.positions[rows]))


def write_map(folder: Path, kind: GlobalMapKind, positions: NDArray[np.floating]) -> None:
    """Write the map of a space, [rows, 2], into the space's folder.

    Raises:
        MapError: a position is not a finite number.
    """
    if not np.isfinite(positions).all():
        raise MapError(f"The {kind} map places a row at no finite position; build the map again.")
    write_array(folder / layout.map_filename(kind), positions.astype(np.float32))


def weigh_places(places: Floats, distances: Floats) -> Floats:
    """Mean [..., 2] of places [..., neighbors, 2], weighted by inverse distances [..., neighbors]."""
    weights = 1 / np.maximum(distances, _NO_DISTANCE)
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.asarray((places * weights[..., None]).sum(axis=-2), np.float32)


def spread_map(vectors: NDArray[np.float16], fitted_rows: Rows, fitted_positions: Floats) -> Floats:
    """Extend a map that was fitted on some rows to all rows: [rows, 2] float32; fitted rows keep their places.

    Args:
        vectors: [rows, size] float16
        fitted_rows: [fitted] int64, ascending
        fitted_positions: [fitted, 2]
    """
    index = index_in_memory(np.asarray(vectors[fitted_rows]))
    count = min(_PLACING_NEIGHBORS, len(fitted_rows))
    positions = np.empty((len(vectors), 2), np.float32)
    for start in range(0, len(vectors), _PLACED_ROWS):
        part = slice(start, start + _PLACED_ROWS)
        rows, distances = index.search(np.asarray(vectors[part], np.float32), count)
        positions[part] = weigh_places(fitted_positions[rows], distances)
    positions[fitted_rows] = fitted_positions
    return positions


def landmark_mds(vectors: NDArray[np.float16], *, landmarks: int = LANDMARKS) -> Floats:
    """Map a space by landmark MDS: [rows, 2] float32; classical MDS of some rows, triangulation for the others.

    de Silva & Tenenbaum: Sparse multidimensional scaling using landmark points (2004). The landmarks are spread evenly
    over the corpus, so that equal vectors give equal maps.
    """
    chosen = np.asarray(vectors[sample_rows(len(vectors), landmarks)], np.float64)
    squares = np.square(measure_all_distances(chosen))
    inverse = _invert_landmarks(squares)
    # Triangulation is (mean - squared distances to the landmarks) / 2 @ inverse. The columns of `inverse` sum to zero,
    # so the row's own square drops out. The rest is linear in the row, and no distance is computed.
    direction = chosen.T @ inverse
    shift = (squares.mean(axis=0) - np.einsum("ld,ld->l", chosen, chosen)) / 2 @ inverse
    positions = np.empty((len(vectors), 2), np.float32)
    for start in range(0, len(vectors), _PLACED_ROWS):
        part = slice(start, start + _PLACED_ROWS)
        positions[part] = np.asarray(vectors[part], np.float64) @ direction + shift
    return positions


def _invert_landmarks(squares: Doubles) -> Doubles:
    """[landmarks, 2] pseudo-inverse of the landmarks' classical MDS, from their squared distances."""
    count = len(squares)
    centering = np.eye(count) - 1 / count
    values, directions = np.linalg.eigh(-centering @ squares @ centering / 2)
    inverse = np.zeros((count, 2))
    for axis in range(min(2, count)):
        value = values[-1 - axis]
        # A direction without extent stays at 0: dividing by its value would enlarge rounding errors.
        if value > 1e-9 * max(values[-1], 1e-12):
            inverse[:, axis] = fix_signs(directions[:, [-1 - axis]])[:, 0] / np.sqrt(value)
    return inverse
