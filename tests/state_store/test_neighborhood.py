"""Evidence of the training data for a trace, over a real model and a store of its states."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from exported_models.contract.errors import RequestError
from exported_models.contract.request import AttentionOverride, Request
from exported_models.contract.trace import Trace
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from state_store.documents import NeighborhoodDocument, NeighborsDocument
from state_store.errors import MapError, SpaceError, StoreMismatchError
from state_store.local_maps import LOCAL_MAP_KINDS, project
from state_store.manifest import GLOBAL_MAP_KINDS
from state_store.neighborhood import MAP_KINDS, MapKind, gather_evidence, merged_neighborhoods, neighborhood
from state_store.store import StateStore
from tests.state_store.letters import MODEL_ID

SPACES = ("encoder", "decoder", "context")
REQUEST = Request(MODEL_ID, "abcabc", max_length=8, beam_size=3)


@pytest.fixture(scope="session")
def store(workspace: Workspace, engine: Engine) -> StateStore:
    return StateStore.open(workspace.store_folder("letters"), engine.model(MODEL_ID))


@pytest.fixture(scope="session")
def trace(engine: Engine) -> Trace:
    return engine.translate(REQUEST)


@pytest.mark.parametrize("space", SPACES)
def test_every_token_has_its_evidence(store: StateStore, trace: Trace, space: str) -> None:
    evidence = gather_evidence(store, trace, None, space, k=6)
    tokens = trace.source.tokens if space == "encoder" else trace.best.tokens
    assert tuple(token.token for token in evidence) == tokens
    assert [token.position for token in evidence] == list(range(len(tokens)))
    expected = store.neighbors(space, trace.states(space), k=6, exclude_source=trace.request.source)
    assert [list(token.neighbors) for token in evidence] == expected
    for token in evidence:
        assert token.nearest == token.neighbors[0].distance
        assert token.typicality == store.typicality(space, token.neighbors[0].distance)


@pytest.mark.parametrize("space", SPACES)
def test_implied_tokens_are_shares_of_the_neighbors(store: StateStore, trace: Trace, space: str) -> None:
    for token in gather_evidence(store, trace, None, space, k=9):
        counts = Counter(neighbor.token_id for neighbor in token.neighbors)
        assert {implied.token_id: implied.count for implied in token.implied} == counts
        assert [implied.count for implied in token.implied] == sorted(counts.values(), reverse=True)
        assert sum(implied.share for implied in token.implied) == pytest.approx(1)
        assert token.agreement == pytest.approx(counts[token.token_id] / 9)


def test_the_own_sentence_is_left_out(store: StateStore, engine: Engine) -> None:
    pair = store.pair(3)
    trace = engine.translate(replace(REQUEST, source=pair.source))
    evidence = gather_evidence(store, trace, None, "encoder", k=20)
    sources = {neighbor.pair.source for token in evidence for neighbor in token.neighbors}
    assert pair.source not in sources


@pytest.mark.parametrize(
    "what_if",
    [
        replace(REQUEST, prefix=("d", "d")),
        replace(REQUEST, prefix=("a",), overrides=(AttentionOverride(1, ((0, 1.0),)),)),
    ],
    ids=["prefix", "attention"],
)
def test_a_what_if_is_explored_in_its_own_states(
    store: StateStore, engine: Engine, trace: Trace, what_if: Request
) -> None:
    changed = engine.translate(what_if)
    found = neighborhood(store, changed, None, "context", k=5, map_kind="mds")
    expected = store.neighbors("context", changed.states("context"), k=5, exclude_source=REQUEST.source)
    assert [list(neighbors) for neighbors in found.neighbors] == expected
    plain = neighborhood(store, trace, None, "context", k=5, map_kind="mds")
    assert [token.nearest for token in found.evidence] != [token.nearest for token in plain.evidence]


def test_the_chosen_hypothesis_is_the_one_explored(store: StateStore, trace: Trace) -> None:
    second = trace.hypotheses[1]
    found = neighborhood(store, trace, second, "decoder", k=4, map_kind="pca")
    assert found.tokens == second.tokens
    expected = store.neighbors("decoder", trace.states("decoder", second), k=4, exclude_source=REQUEST.source)
    assert [list(neighbors) for neighbors in found.neighbors] == expected


@pytest.mark.parametrize("map_kind", [kind for kind in MAP_KINDS if kind != "umap"])
@pytest.mark.parametrize("space", SPACES)
def test_every_state_and_neighbor_has_a_place(store: StateStore, trace: Trace, space: str, map_kind: MapKind) -> None:
    found = neighborhood(store, trace, None, space, k=5, map_kind=map_kind)
    rows = sorted({neighbor.row for neighbors in found.neighbors for neighbor in neighbors})
    assert found.neighbor_rows.tolist() == rows
    assert found.positions.shape == (len(found.tokens), 2)
    assert found.neighbor_positions.shape == (len(rows), 2)
    assert np.isfinite(found.positions).all()
    again = neighborhood(store, trace, None, space, k=5, map_kind=map_kind)
    np.testing.assert_array_equal(found.positions, again.positions)


def test_the_kinds_of_maps_are_the_local_and_the_global_ones() -> None:
    assert list(MAP_KINDS) == [*LOCAL_MAP_KINDS, *GLOBAL_MAP_KINDS]


def test_a_local_map_is_one_projection_of_states_and_neighbors(store: StateStore, trace: Trace) -> None:
    found = neighborhood(store, trace, None, "decoder", k=5, map_kind="pca")
    opened = store.space("decoder").space
    vectors = opened.vectors[found.neighbor_rows].astype(np.float32)
    flat = project(np.concatenate([opened.normalize(trace.states("decoder")), vectors]), "pca")
    np.testing.assert_array_equal(np.concatenate([found.positions, found.neighbor_positions]), flat)


def test_a_global_map_places_neighbors_where_it_has_them(store: StateStore, trace: Trace) -> None:
    found = neighborhood(store, trace, None, "decoder", k=5, map_kind="landmark_mds")
    kept = store.global_map("decoder", "landmark_mds")
    np.testing.assert_array_equal(found.neighbor_positions, kept.positions[found.neighbor_rows])
    for neighbors, position in zip(found.neighbors, found.positions, strict=True):
        distances = [neighbor.distance for neighbor in neighbors]
        np.testing.assert_array_equal(position, kept.place([neighbor.row for neighbor in neighbors], distances))


def test_two_traces_share_one_map(store: StateStore, engine: Engine, trace: Trace) -> None:
    other = engine.translate(replace(REQUEST, source="abcab"))
    one, two = merged_neighborhoods(store, [(trace, None), (other, None)], "encoder", k=8, map_kind="mds")
    assert (one.tokens, two.tokens) == (trace.source.tokens, other.source.tokens)
    places = [
        dict(zip(found.neighbor_rows.tolist(), map(tuple, found.neighbor_positions.tolist()), strict=True))
        for found in (one, two)
    ]
    common = set(places[0]) & set(places[1])
    assert common
    assert all(places[0][row] == places[1][row] for row in common)


def test_what_cannot_be_answered_is_one_clear_error(store: StateStore, engine: Engine, trace: Trace) -> None:
    with pytest.raises(RequestError, match=r"no token at position 99 in the space 'decoder'"):
        gather_evidence(store, trace, None, "decoder", k=3, positions=[99])
    with pytest.raises(SpaceError, match="known: encoder, decoder, context"):
        gather_evidence(store, trace, None, "attention", k=3)
    with pytest.raises(MapError, match="known: mds, pca, tsne, umap, landmark_mds"):
        neighborhood(store, trace, None, "decoder", k=3, map_kind="sammon")  # type: ignore[arg-type]
    with pytest.raises(MapError, match="has no map 'umap'"):
        neighborhood(store, trace, None, "decoder", k=3, map_kind="umap")
    foreign = engine.translate(replace(REQUEST, model_id="other"))
    with pytest.raises(StoreMismatchError, match=r"'speller'.*'other'"):
        gather_evidence(store, foreign, None, "decoder", k=3)


def test_documents_say_the_same_without_states(store: StateStore, trace: Trace) -> None:
    found = neighborhood(store, trace, None, "decoder", k=5, map_kind="landmark_mds")
    document = json.loads(NeighborhoodDocument.of(found).model_dump_json())
    assert [token["token"] for token in document["tokens"]] == list(found.tokens)
    assert len(document["trajectory"]) == len(found.tokens)
    named = {neighbor["sentence"] for token in document["tokens"] for neighbor in token["neighbors"]}
    assert [pair["sentence"] for pair in document["pairs"]] == sorted(named)
    assert {place["row"] for place in document["places"]} == set(found.neighbor_rows.tolist())
    pairs = {pair["sentence"]: pair for pair in document["pairs"]}
    for token, evidence in zip(document["tokens"], found.evidence, strict=True):
        for entry, neighbor in zip(token["neighbors"], evidence.neighbors, strict=True):
            assert entry["distance"] == pytest.approx(neighbor.distance, abs=1e-5)
            assert pairs[entry["sentence"]]["source"] == neighbor.pair.source
    assert NeighborhoodDocument.model_validate(document) == NeighborhoodDocument.of(found)


def test_neighbors_of_one_token_are_a_document_too(store: StateStore, trace: Trace) -> None:
    evidence = gather_evidence(store, trace, None, "encoder", k=5, positions=[2])
    document = NeighborsDocument.of("encoder", evidence)
    (token,) = document.tokens
    assert (token.position, token.token) == (2, trace.source.tokens[2])
    assert len(token.neighbors) == 5
