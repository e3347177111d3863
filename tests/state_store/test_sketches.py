"""Bounds of distances: never above the true ones, and close to them where rows lie near few axes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats
from state_store import sketches
from state_store.shards import normalize_states
from state_store.sketches import MeasuredBounds, Sketches, make_bounds

ROWS = 5_000


def make_states(seed: int, count: int, size: int, flat: int) -> Floats:
    """States of unit length that lie near ``flat`` axes."""
    random = np.random.default_rng(seed)
    axes = np.random.default_rng(1).normal(size=(flat, size))
    states = random.normal(size=(count, flat)) @ axes + random.normal(0, 0.2, (count, size))
    return normalize_states(states.astype(np.float32), np.zeros(size, np.float32))


def square_distances(vectors: NDArray[np.float16], queries: Floats) -> Floats:
    differences = queries.astype(np.float64)[:, None] - vectors.astype(np.float64)
    return np.asarray((differences**2).sum(axis=2))


@pytest.mark.parametrize("kind", [Sketches, MeasuredBounds])
@given(seed=st.integers(0, 10**6), size=st.sampled_from([1, 3, 32, 40, 96]), flat=st.integers(1, 60))
def test_no_bound_is_above_the_true_distance(
    kind: type[Sketches] | type[MeasuredBounds], seed: int, size: int, flat: int
) -> None:
    vectors = make_states(seed, 300, size, flat).astype(np.float16)
    vectors[7] = 0
    order = np.random.default_rng(seed).permutation(len(vectors))
    queries = np.concatenate([make_states(seed + 1, 4, size, flat), vectors[:3].astype(np.float32)])

    bounds = kind(vectors, order).bound(queries)

    assert (bounds <= square_distances(vectors[order], queries)).all()


@pytest.mark.parametrize("kind", [Sketches, MeasuredBounds])
def test_bounds_are_close_where_rows_lie_near_few_axes(kind: type[Sketches] | type[MeasuredBounds]) -> None:
    vectors = make_states(2, ROWS, 96, 8).astype(np.float16)
    queries = make_states(3, 5, 96, 8)

    gap = square_distances(vectors, queries) - kind(vectors, np.arange(ROWS)).bound(queries)

    assert np.median(gap) < 0.02


def test_a_space_that_is_too_large_is_not_sketched(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = make_states(4, 100, 40, 8).astype(np.float16)
    assert isinstance(make_bounds(vectors, np.arange(100)), Sketches)

    monkeypatch.setattr(sketches, "SKETCHED_ROWS", 99)

    assert isinstance(make_bounds(vectors, np.arange(100)), MeasuredBounds)
