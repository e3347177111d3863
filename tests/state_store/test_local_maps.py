"""Maps of a neighborhood: right by independent computation, the same every time, at ease with few or equal points."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.decomposition import PCA
from sklearn.manifold import MDS, smacof, trustworthiness

from exported_models.contract.arrays import Floats
from state_store.errors import MapError
from state_store.local_maps import LOCAL_MAP_KINDS, LocalMapKind, measure_all_distances, project, project_pca


def make_points(count: int, size: int = 20) -> Floats:
    random = np.random.default_rng(count)
    clusters = random.normal(size=(5, size))
    return np.asarray(clusters[np.arange(count) % 5] + 0.3 * random.normal(size=(count, size)), np.float32)


def stress_of(points: Floats, flat: Floats) -> float:
    """Kruskal's stress 1 of a map: 0 keeps every distance."""
    distances, mapped = (np.linalg.norm(part[:, None] - part, axis=-1) for part in (points, flat))
    total = np.square(distances).sum()
    return float(np.sqrt(np.square(distances - mapped).sum() / total)) if total else 0.0


def test_all_distances_are_those_between_each_two_points() -> None:
    points = make_points(12).astype(np.float64)
    np.testing.assert_allclose(
        measure_all_distances(points), np.linalg.norm(points[:, None] - points, axis=-1), atol=1e-6
    )


def test_pca_is_that_of_scikit_learn_but_for_signs() -> None:
    points = make_points(60)
    expected = PCA(2).fit_transform(points)
    np.testing.assert_allclose(np.abs(project(points, "pca")), np.abs(expected), atol=1e-4)


def test_mds_keeps_distances_better_than_the_best_plane() -> None:
    points = make_points(80)
    assert stress_of(points, project(points, "mds")) < 0.9 * stress_of(points, project(points, "pca"))


def test_mds_of_500_points_is_within_5_percent_of_smacof() -> None:
    points = make_points(500)
    distances = measure_all_distances(points.astype(np.float64))
    start = project_pca(points.astype(np.float64))
    flat, _ = smacof(distances, n_components=2, init=start, n_init=1, max_iter=300, eps=1e-6, normalized_stress=False)
    assert stress_of(points, project(points, "mds")) ** 2 < 1.05 * stress_of(points, flat) ** 2


def test_mds_finds_points_of_a_plane_again() -> None:
    random = np.random.default_rng(4)
    directions, _ = np.linalg.qr(random.normal(size=(20, 2)))
    points = (random.normal(size=(40, 2)) @ directions.T + 1).astype(np.float32)
    assert stress_of(points, project(points, "mds")) < 1e-3


def test_tsne_keeps_neighbors_together() -> None:
    points = make_points(120)
    assert trustworthiness(points, project(points, "tsne"), n_neighbors=5) > 0.85


@pytest.mark.parametrize("kind", LOCAL_MAP_KINDS)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 6, 40])
@pytest.mark.parametrize("equal", [False, True], ids=["spread", "equal"])
def test_any_number_of_points_has_a_map(kind: LocalMapKind, count: int, equal: bool) -> None:
    points = make_points(count)
    if equal and count:
        points = np.repeat(points[:1], count, axis=0)
    flat = project(points, kind)
    assert flat.shape == (count, 2)
    assert flat.dtype == np.float32
    assert np.isfinite(flat).all()
    if count:
        np.testing.assert_allclose(flat.mean(axis=0), 0, atol=1e-3)


@pytest.mark.parametrize("kind", LOCAL_MAP_KINDS)
def test_pairs_of_equal_points_have_a_map(kind: LocalMapKind) -> None:
    points = np.repeat(make_points(9), 3, axis=0)
    flat = project(points, kind)
    assert np.isfinite(flat).all()
    if kind != "tsne":
        np.testing.assert_allclose(flat[0::3], flat[1::3], atol=1e-4)


@pytest.mark.parametrize("kind", LOCAL_MAP_KINDS)
def test_equal_points_give_equal_maps(kind: LocalMapKind) -> None:
    np.testing.assert_array_equal(project(make_points(50), kind), project(make_points(50), kind))


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 12), st.just(4)), elements=st.floats(-1, 1, width=16)))
def test_mds_is_never_worse_than_where_it_starts(points: Floats) -> None:
    assert stress_of(points, project(points, "mds")) <= stress_of(points, project(points, "pca")) + 1e-4


def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(MapError, match=r"no local map 'umap' \(known: mds, pca, tsne\)"):
        project(make_points(5), cast(LocalMapKind, "umap"))


@pytest.mark.parametrize("count", [60, 500])
def test_the_stress_of_mds_is_within_five_percent_of_that_of_scikit_learn(count: int) -> None:
    points = make_points(count)
    reference = MDS(n_init=1, init="classical_mds", max_iter=1000, eps=1e-7).fit_transform(points)
    assert stress_of(points, project(points, "mds")) <= 1.05 * stress_of(points, reference)
