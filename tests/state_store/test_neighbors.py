"""Neighbors as people see them: never the own sentence, equal contexts once, enough of them, nearest first."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exported_models.contract.arrays import Floats
from state_store.context_scan import ContextScan, Hit
from state_store.contexts import SENTENCE, tabulate_contexts
from state_store.index import ExactIndex, NeighborIndex
from state_store.neighbors import NeighborSearch
from state_store.recent_search import RecentSearch
from state_store.spaces import Rows, Space
from tests.state_store.letters import Corpus


def find_by_hand(space: Space, query: Floats, k: int, excluded: frozenset[int]) -> list[Hit]:
    """The same by definition: every row in order of distance, one after the other."""
    distances = np.linalg.norm(space.vectors.astype(np.float64) - query, axis=1)
    contexts = tabulate_contexts(space.tokens).tolist()
    found: list[list[float]] = []
    seen: list[list[int]] = []
    for row in np.argsort(distances, kind="stable").tolist():
        if int(space.tokens[row, SENTENCE]) in excluded:
            continue
        if contexts[row] in seen:
            found[seen.index(contexts[row])][2] += 1
        elif len(found) == k:
            break
        else:
            seen.append(contexts[row])
            found.append([row, distances[row], 0])
    return [Hit(int(row), distance, int(duplicates)) for row, distance, duplicates in found]


def make_query(space: Space, seed: int) -> Floats:
    return space.normalize(np.random.default_rng(seed).normal(3, 1, (1, space.size)).astype(np.float32))


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 300), excluded=st.frozensets(st.integers(0, 59)))
def test_the_nearest_distinct_contexts_of_other_sentences_are_found(
    encoder_search: NeighborSearch, encoder_space: Space, seed: int, k: int, excluded: frozenset[int]
) -> None:
    query = make_query(encoder_space, seed)
    expected = find_by_hand(encoder_space, query[0], k, excluded)
    found = encoder_search.find(query, k, [excluded])[0]
    assert [(hit.row, hit.duplicates) for hit in found] == [(hit.row, hit.duplicates) for hit in expected]
    np.testing.assert_allclose([hit.distance for hit in found], [hit.distance for hit in expected], rtol=1e-4)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 300), excluded=st.frozensets(st.integers(0, 59)))
def test_a_scan_finds_the_same_without_an_index(
    encoder_space: Space, seed: int, k: int, excluded: frozenset[int]
) -> None:
    query = make_query(encoder_space, seed)
    expected = find_by_hand(encoder_space, query[0], k, excluded)
    left_out = np.concatenate([np.empty(0, np.int64), *(encoder_space.rows_of(sentence) for sentence in excluded)])
    found = ContextScan(encoder_space).find(query, k, [left_out.astype(np.int64)])[0]
    assert [(hit.row, hit.duplicates) for hit in found] == [(hit.row, hit.duplicates) for hit in expected]
    np.testing.assert_allclose([hit.distance for hit in found], [hit.distance for hit in expected], rtol=1e-4)


def test_each_query_has_its_own_exclusions(encoder_search: NeighborSearch, encoder_space: Space) -> None:
    query = np.repeat(make_query(encoder_space, 5), 2, axis=0)
    everywhere = encoder_search.find(query[:1], 1)[0][0]
    sentence = int(encoder_space.tokens[everywhere.row, SENTENCE])
    kept, left_out = encoder_search.find(query, 1, [frozenset(), frozenset({sentence})])
    assert kept[0] == everywhere
    assert int(encoder_space.tokens[left_out[0].row, SENTENCE]) != sentence


def test_a_sentence_is_not_its_own_neighbor(
    encoder_search: NeighborSearch, encoder_space: Space, corpus: Corpus
) -> None:
    queries = encoder_space.normalize(corpus.sentences[7].encoded.states["encoder"])
    assert all(hits[0].distance < 0.01 for hits in encoder_search.find(queries, 1))
    for hits in encoder_search.find(queries, 20, [frozenset({7})] * len(queries)):
        assert len(hits) == 20
        assert 7 not in encoder_space.tokens[[hit.row for hit in hits], SENTENCE]


def test_where_everything_is_excluded_there_are_no_neighbors(
    encoder_search: NeighborSearch, encoder_space: Space
) -> None:
    assert encoder_search.find(make_query(encoder_space, 1), 3, [frozenset(range(60))]) == [[]]


class Forgetful:
    """An index that finds only half of the rows, and never more than eight."""

    def __init__(self, exact: NeighborIndex) -> None:
        self._exact = exact
        self.asked: list[int] = []

    def search(self, queries: Floats, count: int) -> tuple[Rows, Floats]:
        self.asked.append(count)
        rows, distances = self._exact.search(queries, count)
        lost = (rows % 2 == 1) | (np.arange(count) >= 8)
        return np.where(lost, -1, rows), np.where(lost, np.float32(np.inf), distances)


@pytest.mark.parametrize("k", [1, 5, 40])
def test_what_an_index_does_not_find_is_found_by_looking_at_every_row(encoder_space: Space, k: int) -> None:
    index = Forgetful(ExactIndex(encoder_space.vectors))
    query = make_query(encoder_space, 2)
    found = NeighborSearch(encoder_space, index).find(query, k)[0]
    assert len(found) == k
    assert index.asked == sorted(index.asked)
    if k == 40:
        assert [hit.row for hit in found] == [hit.row for hit in find_by_hand(encoder_space, query[0], k, frozenset())]


def test_states_seen_before_are_not_searched_again_and_the_least_recent_go_first(
    encoder_search: NeighborSearch, encoder_space: Space
) -> None:
    first, second, third = (make_query(encoder_space, seed) for seed in (5, 6, 7))
    searched = SearchThatCounts(encoder_search)
    recent = RecentSearch(searched, limit=2)  # type: ignore[arg-type]
    everything = np.concatenate([first, second])
    expected = encoder_search.find(everything, 3, [{1}, {1}])
    assert recent.find(everything, 3, {1}) == expected
    assert recent.find(everything[::-1], 3, {1}) == expected[::-1]
    assert searched.queries == 2
    recent.find(np.concatenate([second, third]), 3, {1})
    assert searched.queries == 3
    recent.find(first, 3, {1})
    assert searched.queries == 4, "two newer states had taken the place of the first"
    assert recent.find(first, 4, {1}) == encoder_search.find(first, 4, [{1}]), "another number of neighbors"
    assert recent.find(first, 3, {2}) == encoder_search.find(first, 3, [{2}]), "other sentences left out"


class SearchThatCounts:
    """Passes searches on and counts their queries."""

    def __init__(self, search: NeighborSearch) -> None:
        self._search = search
        self.queries = 0

    def find(self, queries: Floats, k: int, excluded: Sequence[Collection[int]]) -> list[list[Hit]]:
        self.queries += len(queries)
        return self._search.find(queries, k, excluded)
