"""Kept maps: landmark MDS by its definition, and where new states are placed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats
from state_store.errors import MapError, StoreError
from state_store.global_maps import GlobalMap, landmark_mds, spread_map, write_map
from state_store.local_maps import measure_all_distances
from state_store.spaces import sample_rows


def make_vectors(rows: int, size: int = 12) -> NDArray[np.float16]:
    random = np.random.default_rng(rows)
    points = random.normal(size=(rows, size)) * np.linspace(3, 0.2, size)
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), np.float16)


def landmark_mds_by_hand(vectors: NDArray[np.float16], landmarks: int) -> np.ndarray:
    """De Silva & Tenenbaum 2004, sections 2.1 to 2.3, from squared distances alone."""
    points = vectors.astype(np.float64)
    chosen = points[sample_rows(len(points), landmarks)]
    squares = np.square(np.linalg.norm(chosen[:, None] - chosen, axis=-1))
    centering = np.eye(len(chosen)) - 1 / len(chosen)
    values, directions = np.linalg.eigh(-centering @ squares @ centering / 2)
    pseudo_inverse = (directions[:, [-1, -2]] / np.sqrt(values[[-1, -2]])).T
    to_landmarks = np.square(np.linalg.norm(points[:, None] - chosen, axis=-1))
    return np.asarray(-(to_landmarks - squares.mean(axis=0)) @ pseudo_inverse.T / 2)


def test_landmark_mds_is_what_the_paper_defines() -> None:
    vectors = make_vectors(300)
    expected = landmark_mds_by_hand(vectors, 40)
    np.testing.assert_allclose(np.abs(landmark_mds(vectors, landmarks=40)), np.abs(expected), atol=1e-5)


def test_with_every_row_a_landmark_it_is_classical_mds() -> None:
    vectors = make_vectors(60)
    centered = vectors.astype(np.float64) - vectors.astype(np.float64).mean(axis=0)
    left, singular, _ = np.linalg.svd(centered, full_matrices=False)
    expected = left[:, :2] * singular[:2]
    np.testing.assert_allclose(np.abs(landmark_mds(vectors, landmarks=60)), np.abs(expected), atol=1e-4)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_space_of_very_few_rows_has_a_map(rows: int) -> None:
    positions = landmark_mds(make_vectors(rows))
    assert positions.shape == (rows, 2)
    expected = measure_all_distances(make_vectors(rows).astype(np.float64))
    np.testing.assert_allclose(measure_all_distances(positions.astype(np.float64)), expected, atol=1e-3)


def test_equal_rows_have_equal_places() -> None:
    assert not landmark_mds(np.repeat(make_vectors(1), 20, axis=0)).any()


def open_map(folder: Path, positions: Floats) -> GlobalMap:
    write_map(folder, "umap", positions)
    return GlobalMap(folder, "umap", len(positions))


SQUARE: Floats = np.array([[0, 0], [4, 0], [0, 4], [4, 4]], np.float32)


def test_a_state_is_placed_among_its_neighbors_by_distance(tmp_path: Path) -> None:
    kept = open_map(tmp_path, SQUARE)
    np.testing.assert_allclose(kept.place([0, 1], [0.5, 0.5]), [2, 0])
    np.testing.assert_allclose(kept.place([0, 1], [0.1, 0.3]), [1, 0], atol=1e-6)
    np.testing.assert_allclose(kept.place([3], [1.2]), [4, 4])


def test_a_state_on_a_stored_one_has_its_place(tmp_path: Path) -> None:
    np.testing.assert_allclose(open_map(tmp_path, SQUARE).place([2, 1], [0.0, 0.4]), [0, 4], atol=1e-4)


def test_a_state_without_neighbors_is_placed_in_the_middle(tmp_path: Path) -> None:
    assert open_map(tmp_path, SQUARE).place([], []).tolist() == [2, 2]


def test_a_background_is_a_sample_of_the_map(tmp_path: Path) -> None:
    positions = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    background = open_map(tmp_path, positions).background(50)
    assert len(background.rows) == 50
    np.testing.assert_array_equal(background.positions, positions[background.rows])


def test_a_map_is_refused_where_it_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(MapError, match="no finite position"):
        write_map(tmp_path, "umap", np.array([[0, np.nan]]))
    open_map(tmp_path, SQUARE)
    with pytest.raises(StoreError, match=r"float32 \[4x2\] where the manifest announces float32 \[5x2\]"):
        GlobalMap(tmp_path, "umap", 5)


@pytest.mark.parametrize("fitted", [30, 2500], ids=["exact", "approximate"])
def test_a_map_fitted_on_some_rows_is_spread_to_all(fitted: int) -> None:
    vectors = make_vectors(fitted * 2)
    rows = np.arange(0, fitted * 2, 2)
    positions = vectors[rows, :2].astype(np.float32)
    spread = spread_map(vectors, rows, positions)
    np.testing.assert_array_equal(spread[rows], positions)
    # The fitted map is two of the vectors' own coordinates, so that is where the others belong.
    error = np.abs(spread - vectors[:, :2]).mean()
    assert error < 0.5 * np.abs(vectors[:, :2]).mean()
