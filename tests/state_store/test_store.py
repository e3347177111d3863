"""A published store, opened for its model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exported_models.contract.errors import ArtefactError, BeamscopeError, RequestError
from exported_models.contract.publishing import MANIFEST_NAME
from exported_models.contract.request import MAX_NEIGHBORS, Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from state_store.errors import MapError, SpaceError, StateError, StoreError, StoreMismatchError
from state_store.store import StateStore
from tests.state_store.letters import LETTERS, MODEL_ID, Corpus, MadeStore, make_store


@pytest.fixture(scope="session")
def store(workspace: Workspace, engine: Engine) -> StateStore:
    return StateStore.open(workspace.store_folder("letters"), engine.model(MODEL_ID))


def open_made(made: MadeStore) -> StateStore:
    return StateStore.open_with_vocabularies(made.folder, LETTERS, LETTERS)


def test_a_neighbor_says_where_it_is_from(made_store: MadeStore) -> None:
    store = open_made(made_store)
    sentence = made_store.corpus.sentences[5]
    ids = sentence.encoded.source_ids
    found = store.neighbors("encoder", sentence.encoded.states["encoder"], k=1, exclude_source=None)
    for position, (neighbor,) in enumerate(found):
        assert (neighbor.sentence, neighbor.position) == (5, position)
        assert (neighbor.token_id, neighbor.token) == (ids[position], LETTERS[ids[position]])
        last = position + 1 == len(ids)
        assert neighbor.next_token == (None if last else LETTERS[ids[position + 1]])
        assert neighbor.pair == sentence.pair == store.pair(5)


def test_a_target_row_is_labeled_with_the_token_it_predicts(made_store: MadeStore) -> None:
    sentence = made_store.corpus.sentences[5]
    found = open_made(made_store).neighbors("decoder", sentence.encoded.states["decoder"], k=1, exclude_source=None)
    assert [neighbor.token_id for (neighbor,) in found] == list(sentence.encoded.target_ids)


def test_every_sentence_of_the_same_source_is_left_out(made_store: MadeStore) -> None:
    states = made_store.corpus.sentences[0].encoded.states["encoder"]
    source = made_store.corpus.sentences[0].pair.source
    found = open_made(made_store).neighbors("encoder", states, k=30, exclude_source=f"  {source} ")
    assert all(len(neighbors) == 30 for neighbors in found)
    assert not {0, 59} & {neighbor.sentence for neighbors in found for neighbor in neighbors}


def test_states_of_the_analysis_are_those_of_the_corpus(store: StateStore, engine: Engine) -> None:
    pair = store.pair(3)
    trace = engine.translate(Request(MODEL_ID, pair.source))
    found = store.neighbors("encoder", trace.states("encoder"), k=1, exclude_source=None)
    assert [(neighbor.sentence, neighbor.position) for (neighbor,) in found] == [
        (3, position) for position in range(len(trace.source))
    ]
    assert max(neighbor.distance for (neighbor,) in found) < 0.01


def test_a_moved_store_opens(workspace: Workspace, engine: Engine, tmp_path: Path) -> None:
    shutil.copytree(workspace.store_folder("letters"), tmp_path / "moved")
    assert StateStore.open(tmp_path / "moved", engine.model(MODEL_ID)).pair(0).sentence == 0


def test_another_model_is_refused_with_both_names(workspace: Workspace, engine: Engine) -> None:
    with pytest.raises(StoreMismatchError, match=r"'letters' was built with the model 'speller'.* not with 'other'"):
        StateStore.open(workspace.store_folder("letters"), engine.model("other"))


def test_an_unknown_space_lists_the_known_ones(store: StateStore) -> None:
    with pytest.raises(SpaceError, match=r"no space 'attention' \(known: encoder, decoder, context\)"):
        store.neighbors("attention", np.zeros((1, 2), np.float32), k=1, exclude_source=None)
    with pytest.raises(SpaceError, match="known"):
        store.typicality("attention", 0.5)


def test_without_held_out_states_nothing_is_called_near_or_far(tmp_path: Path, corpus: Corpus) -> None:
    store = open_made(make_store(tmp_path, replace(corpus, held_out=())))
    assert store.typicality("encoder", 0.5) is None


def test_an_unknown_map_lists_the_known_ones(store: StateStore) -> None:
    with pytest.raises(MapError, match=r"has no map 'umap' \(known: landmark_mds\)"):
        store.background("decoder", "umap", 10)
    assert len(store.background("decoder", "landmark_mds", 10).rows) == 10


@pytest.mark.parametrize("k", [0, -1, MAX_NEIGHBORS + 1])
def test_a_number_of_neighbors_out_of_range_is_refused(store: StateStore, k: int) -> None:
    with pytest.raises(RequestError, match=rf"number of neighbors {k} is out of range"):
        store.neighbors("encoder", np.zeros((1, 12), np.float32), k=k, exclude_source=None)


def test_states_that_are_not_finite_are_refused(store: StateStore) -> None:
    states = np.full((1, store.manifest.space("encoder").size), np.nan, np.float32)
    with pytest.raises(StateError, match="finite"):
        store.neighbors("encoder", states, k=1, exclude_source=None)


@pytest.mark.parametrize("damage", ["no manifest", "not JSON", "another format", "a typo"])
def test_a_damaged_manifest_is_one_clear_sentence(store_copy: MadeStore, damage: str) -> None:
    path = store_copy.folder / MANIFEST_NAME
    value = json.loads(path.read_text())
    if damage == "no manifest":
        path.unlink()
    elif damage == "not JSON":
        path.write_text(path.read_text()[:100])
    else:
        changes: dict[str, dict[str, object]] = {
            "another format": {"format": 99},
            "a typo": {"stroe_id": "x"},
        }
        path.write_text(json.dumps({**value, **changes[damage]}))
    with pytest.raises((ArtefactError, StoreError)) as caught:
        open_made(store_copy)
    assert isinstance(caught.value, BeamscopeError)
    assert "\n" not in str(caught.value)
