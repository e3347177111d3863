"""Distances between float32 queries and float16 vectors, as by definition."""

from __future__ import annotations

import numpy as np

from state_store.distances import ExpandedDistances, widen


def test_every_finite_float16_is_widened_exactly() -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)]
    np.testing.assert_array_equal(widen(finite), finite.astype(np.float32))
    assert np.signbit(widen(np.array([-0.0], np.float16)))[0]


def test_rows_of_any_layout_are_widened() -> None:
    halves = np.arange(24, dtype=np.float16).reshape(4, 6)
    np.testing.assert_array_equal(widen(halves[:, ::2]), halves[:, ::2].astype(np.float32))


def test_expanded_distances_are_square_distances_but_for_the_square_of_the_query() -> None:
    random = np.random.default_rng(3)
    vectors, queries = random.normal(size=(5000, 8)).astype(np.float16), random.normal(size=(3, 8)).astype(np.float32)
    expected = np.square(vectors.astype(np.float64) - queries[:, None]).sum(axis=-1) - np.square(queries).sum(
        axis=-1, keepdims=True
    )
    expanded = ExpandedDistances(vectors)
    np.testing.assert_allclose(expanded.measure(queries), expected, atol=1e-4)
    np.testing.assert_allclose(expanded.measure(queries, slice(2000, 9000)), expected[:, 2000:], atol=1e-4)
