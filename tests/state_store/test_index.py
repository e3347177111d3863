"""Exact search against plain NumPy; ScaNN against exact search."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats
from state_store.distances import NO_ROW
from state_store.errors import StateError, StoreError
from state_store.index import ExactIndex, measure_recall
from state_store.manifest import IndexEntry
from state_store.scann_index import (
    TREE_FROM_ROWS,
    IndexKind,
    build_index,
    choose_index_kind,
    index_in_memory,
    load_index,
    scann_is_installed,
)

WRITE_WHILE_OPENING = """
import os, sys, threading
from pathlib import Path
import numpy as np
from state_store.manifest import IndexEntry
from state_store.scann_index import build_index, load_index

folder, written, over = Path(sys.argv[1]), 0, threading.Event()
vectors = np.load(folder / "vectors.npy")
entry = IndexEntry(kind="tree", leaves=54, leaves_searched=5, recall_at_10=1, recall_queries=0)

def write():
    global written
    while not over.wait(0.0005) or not written:
        os.write(2, f"line {written}\\n".encode())
        written += 1

writer = threading.Thread(target=write)
writer.start()
build_index(folder / "again", vectors, vectors[:100].astype(np.float32), kind="tree")
opened = [load_index(folder, vectors, entry) for _ in range(20)]
over.set()
writer.join()
print(written, len(opened))
"""
"""Writes lines to stderr from one thread while another builds an index and opens one, and says how many."""

needs_scann = pytest.mark.skipif(not scann_is_installed(), reason="there is no ScaNN for this platform")
SIZE = 24


def make_points(count: int, seed: int = 0) -> Floats:
    """Unit vectors in clusters, as states are."""
    random = np.random.default_rng(seed)
    clusters = np.random.default_rng(99).normal(size=(100, SIZE))
    points = clusters[random.integers(100, size=count)] + 0.5 * random.normal(size=(count, SIZE))
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), np.float32)


VECTORS: NDArray[np.float16] = make_points(3000).astype(np.float16)
QUERIES = make_points(100, seed=1)


def search_by_hand(vectors: NDArray[np.float16], query: Floats, count: int) -> tuple[list[int], list[float]]:
    """The nearest rows by the definition of distance, in float64."""
    distances = np.linalg.norm(vectors.astype(np.float64) - query, axis=1)
    order = np.argsort(distances, kind="stable")[:count]
    return order.tolist(), distances[order].tolist()


@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 70))
def test_exact_search_finds_the_true_nearest_rows(seed: int, rows: int, count: int) -> None:
    vectors, queries = make_points(rows, seed).astype(np.float16), make_points(3, seed + 1)
    found, distances = ExactIndex(vectors).search(queries, count)
    assert found.shape == distances.shape == (3, count)
    for query, query_rows, query_distances in zip(queries, found, distances, strict=True):
        expected_rows, expected = search_by_hand(vectors, query, count)
        assert query_rows[:rows].tolist() == expected_rows
        np.testing.assert_allclose(query_distances[:rows], expected, rtol=1e-5)
        assert (query_rows[rows:] == NO_ROW).all()
        assert np.isinf(query_distances[rows:]).all()


def test_exact_search_over_many_blocks_finds_the_true_nearest_rows() -> None:
    vectors = np.concatenate([VECTORS] * 12)
    found, distances = ExactIndex(vectors).search(QUERIES[:4], 40)
    for query, rows, true in zip(QUERIES, found, distances, strict=False):
        expected_rows, expected = search_by_hand(vectors, query, 40)
        assert rows.tolist() == expected_rows
        np.testing.assert_allclose(true, expected, rtol=1e-5)


def test_very_close_rows_are_told_apart() -> None:
    vectors = np.zeros((50, SIZE), np.float16)
    vectors[:, 0] = 1
    vectors[:, 1] = np.arange(50)[::-1] * np.float16(1e-5)
    query = np.zeros((1, SIZE), np.float32)
    query[0, 0] = 1
    rows, distances = ExactIndex(vectors).search(query, 3)
    assert rows.tolist() == [[49, 48, 47]]
    np.testing.assert_allclose(distances, [[0, 1e-5, 2e-5]], rtol=1e-2)


def test_equal_distances_are_ordered_by_row_and_count_as_found() -> None:
    vectors = np.repeat(VECTORS[:1], 40, axis=0)
    exact = ExactIndex(vectors)
    rows, _ = exact.search(QUERIES[:2], 20)
    assert rows[0].tolist() == sorted(rows[0].tolist())

    class Backwards:
        """Finds the last of the equal rows."""

        def search(self, queries: Floats, count: int) -> tuple[np.ndarray, Floats]:
            found, distances = exact.search(queries, count)
            return 39 - found, distances

    assert measure_recall(Backwards(), exact, QUERIES[:2]) == 1


@pytest.mark.parametrize(
    ("rows", "kind"),
    [(1, "exact"), (TREE_FROM_ROWS - 1, "exact"), (TREE_FROM_ROWS, "tree")],
)
def test_the_kind_of_index_follows_the_number_of_rows(rows: int, kind: IndexKind) -> None:
    assert choose_index_kind(rows) == (kind if scann_is_installed() else "exact")


def test_exact_search_needs_no_files(tmp_path: Path) -> None:
    entry = build_index(tmp_path / "index", VECTORS, QUERIES, kind="exact")
    assert (entry.kind, entry.recall_at_10) == ("exact", 1.0)
    assert list(tmp_path.iterdir()) == []
    assert isinstance(load_index(tmp_path / "index", VECTORS, entry), ExactIndex)


@needs_scann
class TestScann:
    """Properties of the approximate index."""

    def test_it_finds_what_exact_search_finds(self, tmp_path: Path) -> None:
        entry = build_index(tmp_path, VECTORS, QUERIES, kind="tree")
        index = load_index(tmp_path, VECTORS, entry)
        others = make_points(200, seed=2)
        assert entry.kind == "tree"
        assert entry.recall_at_10 >= 0.99
        assert measure_recall(index, ExactIndex(VECTORS), others) >= 0.98

    def test_its_distances_are_those_to_the_stored_vectors(self, tmp_path: Path) -> None:
        index = load_index(tmp_path, VECTORS, build_index(tmp_path, VECTORS, QUERIES, kind="tree"))
        rows, distances = index.search(QUERIES[:5], 7)
        for query, found, true in zip(QUERIES, rows, distances, strict=False):
            expected = np.linalg.norm(VECTORS[found].astype(np.float64) - query, axis=1)
            np.testing.assert_allclose(true, expected, rtol=1e-5)
            assert (np.diff(true) >= 0).all()

    def test_equal_vectors_give_equal_files(self, tmp_path: Path) -> None:
        digests = []
        for name in ("one", "other"):
            build_index(tmp_path / name, VECTORS, QUERIES, kind="tree")
            files = sorted((tmp_path / name).iterdir())
            digests.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files})
        assert digests[0] == digests[1]
        assert not any(name.endswith(".pkl") for name in digests[0])

    def test_it_opens_where_it_was_moved(self, tmp_path: Path) -> None:
        entry = build_index(tmp_path / "here", VECTORS, QUERIES, kind="tree")
        before = load_index(tmp_path / "here", VECTORS, entry).search(QUERIES, 5)
        shutil.move(tmp_path / "here", tmp_path / "there")
        after = load_index(tmp_path / "there", VECTORS, entry).search(QUERIES, 5)
        np.testing.assert_array_equal(before[0], after[0])

    def test_more_rows_than_there_are_is_not_an_error(self, tmp_path: Path) -> None:
        few = VECTORS[:60]
        index = load_index(tmp_path, few, build_index(tmp_path, few, QUERIES, kind="tree"))
        rows, distances = index.search(QUERIES[:2], 80)
        for found, true in zip(rows, distances, strict=True):
            real = found[found != NO_ROW]
            assert len(np.unique(real)) == len(real)
            assert np.isfinite(true[: len(real)]).all()
            assert np.isinf(true[len(real) :]).all()

    def test_what_is_not_finite_never_reaches_it(self, tmp_path: Path) -> None:
        broken = VECTORS.copy()
        broken[7, 3] = np.nan
        with pytest.raises(StateError, match="not all finite"):
            build_index(tmp_path / "broken", broken, QUERIES, kind="tree")
        index = load_index(tmp_path, VECTORS, build_index(tmp_path, VECTORS, QUERIES, kind="tree"))
        query = QUERIES[:1].copy()
        query[0, 0] = np.inf
        with pytest.raises(StateError, match="finite"):
            index.search(query, 3)

    def test_it_keeps_quiet(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        entry = build_index(tmp_path, VECTORS, QUERIES, kind="tree")
        load_index(tmp_path, VECTORS, entry).search(QUERIES, 5)
        captured = capfd.readouterr()
        assert captured.out == captured.err == ""

    def test_other_threads_keep_stderr_while_it_opens(self, tmp_path: Path) -> None:
        build_index(tmp_path, VECTORS, QUERIES, kind="tree")
        np.save(tmp_path / "vectors.npy", VECTORS)

        done = subprocess.run([sys.executable, "-c", WRITE_WHILE_OPENING, tmp_path], capture_output=True, check=True)

        written, opened = done.stdout.split()
        assert int(opened) == 20
        assert done.stderr.decode().splitlines() == [f"line {number}" for number in range(int(written))]

    def test_damage_is_one_clear_error(self, tmp_path: Path) -> None:
        entry = build_index(tmp_path, VECTORS, QUERIES, kind="tree")
        with pytest.raises(StoreError, match=r"holds 3000 rows where the space has 10; build"):
            load_index(tmp_path, VECTORS[:10], entry)
        (tmp_path / "int8_dataset.npy").unlink()
        with pytest.raises(StoreError, match="build the store again"):
            load_index(tmp_path, VECTORS, entry)
        shutil.rmtree(tmp_path)
        with pytest.raises(StoreError, match="missing"):
            load_index(tmp_path, VECTORS, entry)

    def test_pickled_ids_are_never_read(self, tmp_path: Path) -> None:
        entry = build_index(tmp_path, VECTORS, QUERIES, kind="tree")
        (tmp_path / "scann_docids.pkl").write_bytes(b"\x80\x04N.")
        with pytest.raises(StoreError, match="pickled"):
            load_index(tmp_path, VECTORS, entry)


@needs_scann
def test_where_no_setting_is_good_enough_the_space_is_searched_exactly(tmp_path: Path) -> None:
    # All rows are closer to each other than one byte a dimension can tell.
    vectors = np.ones((3000, SIZE), np.float16)
    vectors[:, 0] = 100
    vectors[:, 1] += np.arange(3000, dtype=np.float16) * np.float16(0.001)
    vectors[0, 1] = 100
    queries = np.ones((20, SIZE), np.float32) * 3
    entry = build_index(tmp_path / "index", vectors, queries, kind="tree")
    assert entry == IndexEntry(kind="exact", recall_at_10=1.0, recall_queries=20)
    assert not (tmp_path / "index").exists()


@needs_scann
def test_dense_clusters_are_told_apart(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    clusters = make_points(40)
    vectors = (clusters[random.integers(40, size=6000)] + 0.01 * random.normal(size=(6000, SIZE))).astype(np.float16)
    queries = vectors[::100].astype(np.float32) + np.float32(0.001)
    assert build_index(tmp_path, vectors, queries, kind="tree").kind == "tree"


def test_a_passing_index_finds_nearly_everything() -> None:
    assert measure_recall(index_in_memory(VECTORS), ExactIndex(VECTORS), QUERIES) > 0.9
