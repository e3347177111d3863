"""Calibration of distances: percentiles of the nearest distances of states that are not in the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from exported_models.contract.arrays import Floats
from state_store import layout
from state_store.arrays import map_array, write_array
from state_store.neighbors import NeighborSearch
from state_store.pairs import PairTable

PERCENTILES = 101
_SEARCHED_AT_ONCE = 256


def calibrate(search: NeighborSearch, pairs: PairTable, queries: Floats, sources: Sequence[str]) -> Floats:
    """Measure percentiles of the nearest distances of held-out states.

    Neighbors are found as for an analyst's query: sentences with the state's own source are left out.

    Args:
        queries: [states, size] float32 unit vectors of held-out states.
        sources: the source text of each state.

    Returns:
        [101] float32 percentiles, 0 to 100. All are infinite where there are no held-out states: no distance counts as
        far then.
    """
    own = {text: pairs.with_source(text) for text in set(sources)}
    nearest: list[float] = []
    for start in range(0, len(queries), _SEARCHED_AT_ONCE):
        part = slice(start, start + _SEARCHED_AT_ONCE)
        found = search.find(queries[part], 1, [own[text] for text in sources[part]])
        nearest += [hits[0].distance for hits in found if hits]
    if not nearest:
        return np.full(PERCENTILES, np.inf, np.float32)
    return np.percentile(nearest, np.linspace(0, 100, PERCENTILES)).astype(np.float32)


class Calibration:
    """The percentiles of a space, against which a distance is judged."""

    def __init__(self, percentiles: Floats) -> None:
        self._percentiles = percentiles

    def typicality(self, distance: float) -> float:
        """The share of held-out states whose nearest neighbor is farther than ``distance``: 1 is close, 0 is far."""
        shares = np.linspace(1, 0, PERCENTILES)
        # The last of equal percentiles: a share counts states that are farther, not those equally far.
        above = int(np.searchsorted(self._percentiles, distance, "right"))
        if above == 0:
            return 1.0
        if above == PERCENTILES:
            return 0.0
        low, high = float(self._percentiles[above - 1]), float(self._percentiles[above])
        part = (distance - low) / (high - low) if np.isfinite(high) else 0.0
        return float(shares[above - 1] + part * (shares[above] - shares[above - 1]))


def write_calibration(folder: Path, percentiles: Floats) -> None:
    """Write the percentiles into a space's folder."""
    write_array(folder / layout.CALIBRATION, percentiles)


def load_calibration(folder: Path) -> Calibration:
    """Read the percentiles of a space.

    Raises:
        StoreError: the file is missing or damaged.
    """
    return Calibration(np.array(map_array(folder / layout.CALIBRATION, np.float32, (PERCENTILES,))))
