"""A store of made-up states, and a workspace with a small untrained model and a store of its states."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from state_store.index import ExactIndex
from state_store.neighbors import NeighborSearch
from state_store.spaces import Space
from tests.state_store.letters import (
    MODEL_ID,
    SPACES,
    Corpus,
    MadeStore,
    make_sentence,
    make_store,
    open_space,
    publish_model,
    publish_store,
    publish_variant,
)


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """Sixty sentences of made-up states, the last one with the source of the first."""
    sentences = (*map(make_sentence, range(59)), make_sentence(0, sentence=59))
    held_out = tuple(map(make_sentence, range(1000, 1020)))
    return Corpus(MODEL_ID, "a" * 64, SPACES, sentences, held_out)


@pytest.fixture(scope="session")
def made_store(tmp_path_factory: pytest.TempPathFactory, corpus: Corpus) -> MadeStore:
    """The made-up corpus as a store; tests must not change it."""
    return make_store(tmp_path_factory.mktemp("store"), corpus)


@pytest.fixture
def store_copy(tmp_path: Path, made_store: MadeStore) -> MadeStore:
    """A copy of the made-up store, for the test to damage."""
    shutil.copytree(made_store.folder, tmp_path / "letters")
    return replace(made_store, folder=tmp_path / "letters")


@pytest.fixture(scope="session")
def encoder_space(made_store: MadeStore) -> Space:
    return open_space(made_store, "encoder")


@pytest.fixture(scope="session")
def encoder_search(encoder_space: Space) -> NeighborSearch:
    return NeighborSearch(encoder_space, ExactIndex(encoder_space.vectors))


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory, corpus: Corpus) -> Workspace:
    """A workspace with the model `MODEL_ID`, a store of it, and a second model; tests must not change it."""
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    publish_model(workspace, MODEL_ID)
    publish_variant(workspace, "other")
    publish_store(workspace, Engine(workspace, threads=1).model(MODEL_ID), corpus, "letters")
    return workspace


@pytest.fixture(scope="session")
def engine(workspace: Workspace) -> Engine:
    return Engine(workspace, threads=1)
