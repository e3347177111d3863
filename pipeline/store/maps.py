"""Projecting: the global maps of every space, fitted once per build."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats
from exported_models.contract.manifest import SpaceSpec
from exported_models.contract.publishing import digest_value
from pipeline.build.planned_store import StoreBuild
from pipeline.build.project_file import UmapSection
from state_store import layout
from state_store.arrays import map_array
from state_store.global_maps import landmark_mds, spread_map, write_map
from state_store.index import ExactIndex
from state_store.manifest import GlobalMapKind
from state_store.spaces import sample_rows

_EPOCHS = 200
_FEWEST_ROWS = 4


def project_space(build: StoreBuild, space: SpaceSpec, kind: GlobalMapKind, inputs: str) -> bool:
    """Make one map of one space; return whether it was there already.

    Args:
        inputs: fingerprint of the rows.
    """
    step = f"map {space.name} {kind}"
    settings = build.project.content.store.umap
    fingerprint = digest_value([step, inputs, settings.model_dump() if kind == "umap" else None])
    if build.ledger.recall(step, fingerprint) is not None:
        return True
    folder = layout.space_folder(build.staged, space.name)
    vectors = map_array(folder / layout.VECTORS, np.float16, (None, space.size))
    write_map(folder, kind, fit_umap(vectors, settings) if kind == "umap" else landmark_mds(vectors))
    build.ledger.record(step, fingerprint, [folder / layout.map_filename(kind)], {})
    return False


def fit_umap(vectors: NDArray[np.float16], settings: UmapSection) -> Floats:
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


def _run_umap(sample: NDArray[np.float16], settings: UmapSection) -> Floats:
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
