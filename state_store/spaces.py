"""The rows of one space of a store, read from memory maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats
from state_store import layout
from state_store.arrays import map_array
from state_store.contexts import TOKEN_COLUMNS
from state_store.shards import normalize_states

Rows = NDArray[np.int64]


class Space:
    """The rows of one space; row i is the same state in every array.

    Attributes:
        vectors: [rows, size] float16, centered and of unit length.
        tokens: [rows, 4] int32 sentence, position, token, next token (`NO_TOKEN` after the last). In a target space the
            token is the one that the state predicts.
        contexts: [rows] int32, equal numbers where the token and two tokens on either side are equal.
        center: [size] float32.
    """

    def __init__(self, folder: Path, name: str, *, size: int, rows: int, sentences: int) -> None:
        """Open the folder of a space.

        Raises:
            StoreError: a file is missing, damaged or of another shape.
        """
        self.folder = folder
        self.name = name
        self.vectors: NDArray[np.float16] = map_array(folder / layout.VECTORS, np.float16, (rows, size))
        self.tokens: NDArray[np.int32] = map_array(folder / layout.TOKENS, np.int32, (rows, TOKEN_COLUMNS))
        self.contexts: NDArray[np.int32] = map_array(folder / layout.CONTEXTS, np.int32, (rows,))
        self.center: Floats = np.array(map_array(folder / layout.CENTER, np.float32, (size,)))
        self._starts = map_array(folder / layout.STARTS, np.int64, (sentences + 1,))

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def size(self) -> int:
        return int(self.vectors.shape[1])

    def normalize(self, states: Floats) -> Floats:
        """Center raw states and scale them to unit length, as stored rows are: [rows, size] float32.

        Raises:
            StateError: the states are not finite numbers, or of another size.
        """
        return normalize_states(states, self.center)

    def rows_of(self, sentence: int) -> range:
        """The rows of a sentence, in order of position."""
        return range(int(self._starts[sentence]), int(self._starts[sentence + 1]))

    def first_rows(self, sentences: NDArray[np.int32]) -> Rows:
        """First row of each of these sentences: [n] int64."""
        return np.asarray(self._starts[sentences])


def sample_rows(rows: int, limit: int) -> Rows:
    """Sample at most ``limit`` of the row numbers below ``rows``, evenly spread; equal arguments give equal samples."""
    return np.unique(np.linspace(0, rows - 1, min(rows, limit)).astype(np.int64))
