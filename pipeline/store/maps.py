"""Maps: the global maps of every space, fitted once a build."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats
from exported_models.contract.manifest import SpaceSpec
from state_store import layout
from state_store.arrays import map_array
from state_store.global_maps import landmark_mds, spread_map, write_map
from state_store.index import ExactIndex
from state_store.manifest import GlobalMapKind
from state_store.spaces import sample_rows

_EPOCHS = 200
_FEWEST_ROWS = 4


@dataclass(frozen=True, slots=True)
class UmapSettings:
    """Settings of the UMAP map.

    Attributes:
        fit_rows: most rows that are fitted; the others are placed by their neighbors.
    """

    neighbors: int
    min_dist: float
    seed: int
    fit_rows: int


@dataclass(frozen=True, slots=True)
class DrawnMap:
    """A global map of a space: how many rows have a place on it."""

    rows: int


def draw_map(store: Path, space: SpaceSpec, kind: GlobalMapKind, settings: UmapSettings) -> tuple[DrawnMap, list[Path]]:
    """Draw one map of one space of a store's folder; return its size and its file."""
    folder = layout.space_folder(store, space.name)
    vectors = map_array(folder / layout.VECTORS, np.float16, (None, space.size))
    write_map(folder, kind, fit_umap(vectors, settings) if kind == "umap" else landmark_mds(vectors))
    return DrawnMap(len(vectors)), [folder / layout.map_filename(kind)]


def fit_umap(vectors: NDArray[np.float16], settings: UmapSettings) -> Floats:
    """[rows, 2] float32 UMAP map (McInnes, Healy, Melville 2018) of vectors [rows, size].

    At most ``settings.fit_rows`` rows, spread evenly over the corpus, are fitted, because the time grows faster than
    their number; the others are placed among their nearest fitted rows. Equal vectors and seeds give equal maps.
    """
    fitted = sample_rows(len(vectors), settings.fit_rows)
    # Equal states (a corpus repeats itself) would be each other's only neighbors and fall apart from all others.
    distinct, owner = np.unique(np.asarray(vectors[fitted]), axis=0, return_inverse=True)
    if len(distinct) < _FEWEST_ROWS:
        return np.zeros((len(vectors), 2), np.float32)
    places = _run_umap(distinct, settings)[owner.reshape(-1)]
    return places if len(fitted) == len(vectors) else spread_map(vectors, fitted, places)


def _run_umap(sample: NDArray[np.float16], settings: UmapSettings) -> Floats:
    count = min(settings.neighbors, len(sample) - 1)
    vectors = np.asarray(sample, np.float32)
    # True neighbors by our own search: as good as UMAP's or better, and its own takes most of a minute to compile.
    rows, distances = ExactIndex(sample).search(vectors, count)
    with warnings.catch_warnings():
        # Numba and UMAP warn their developers; a seeded fit runs on one thread, as it has to.
        warnings.simplefilter("ignore")
        import umap

        mapper: Any = umap.UMAP(
            n_neighbors=count,
            min_dist=settings.min_dist,
            n_epochs=_EPOCHS,
            init="pca",
            precomputed_knn=(rows.astype(np.int32), distances, None),
            random_state=settings.seed,
            n_jobs=1,
        )
        return np.asarray(mapper.fit_transform(vectors), np.float32)
