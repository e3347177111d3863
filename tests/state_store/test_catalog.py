"""The store of each model, also after either was published again."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from exported_models.contract.errors import ArtefactError, WorkspaceError
from exported_models.contract.publishing import MANIFEST_NAME, PROVENANCE_NAME
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from state_store.catalog import StoreCatalog
from state_store.errors import StoreMismatchError
from tests.state_store.letters import MODEL_ID, Corpus, publish_store, publish_variant


@pytest.fixture
def own_workspace(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the workspace, for the test to change."""
    shutil.copytree(workspace.root, tmp_path / "workspace", symlinks=True)
    return Workspace(tmp_path / "workspace")


def catalog_of(workspace: Workspace) -> StoreCatalog:
    return StoreCatalog(workspace, Engine(workspace, threads=1))


def test_a_model_has_the_store_that_was_built_with_it(workspace: Workspace, engine: Engine) -> None:
    catalog = StoreCatalog(workspace, engine)
    store = catalog.store_for(MODEL_ID)
    assert store is not None
    assert store.manifest.store_id == "letters"
    assert catalog.store_for(MODEL_ID) is store


def test_a_model_may_have_no_store(workspace: Workspace, engine: Engine) -> None:
    assert StoreCatalog(workspace, engine).store_for("other") is None


def test_an_unknown_model_is_refused(workspace: Workspace, engine: Engine) -> None:
    with pytest.raises(WorkspaceError, match="no exported model named 'nobody'"):
        StoreCatalog(workspace, engine).store_for("nobody")


def test_a_store_published_again_is_opened_again(own_workspace: Workspace, corpus: Corpus) -> None:
    catalog = catalog_of(own_workspace)
    before = catalog.store_for(MODEL_ID)
    smaller = replace(corpus, sentences=corpus.sentences[:40])
    publish_store(own_workspace, Engine(own_workspace, threads=1).model(MODEL_ID), smaller, "letters")
    after = catalog.store_for(MODEL_ID)
    assert before is not None
    assert after is not None
    assert (before.manifest.corpus.pairs, after.manifest.corpus.pairs) == (60, 40)
    assert before.pair(59).sentence == 59


def test_a_store_of_the_model_as_it_was_is_refused(own_workspace: Workspace) -> None:
    catalog = catalog_of(own_workspace)
    assert catalog.store_for(MODEL_ID) is not None
    publish_variant(own_workspace, MODEL_ID)
    with pytest.raises(StoreMismatchError, match="Build the store again"):
        catalog.store_for(MODEL_ID)


def publish_second(workspace: Workspace, corpus: Corpus, *, dated_ahead: str) -> None:
    """Publish another store of the model, `newer`; the files of `dated_ahead` have the later times."""
    publish_store(workspace, Engine(workspace, threads=1).model(MODEL_ID), corpus, "newer")
    for store_id in ("letters", "newer"):
        seconds = 2_000 if store_id == dated_ahead else 1_000
        os.utime(workspace.store_folder(store_id) / MANIFEST_NAME, (seconds, seconds))


@pytest.mark.parametrize("dated_ahead", ["letters", "newer"])
def test_of_several_stores_the_one_published_last_is_chosen_whatever_the_clock(
    own_workspace: Workspace, corpus: Corpus, dated_ahead: str
) -> None:
    publish_second(own_workspace, corpus, dated_ahead=dated_ahead)

    chosen = catalog_of(own_workspace).store_for(MODEL_ID)

    assert chosen is not None
    assert chosen.manifest.store_id == "newer"


@pytest.mark.parametrize("dated_ahead", ["letters", "newer"])
def test_stores_of_earlier_versions_are_ordered_by_their_times(
    own_workspace: Workspace, corpus: Corpus, dated_ahead: str
) -> None:
    publish_second(own_workspace, corpus, dated_ahead=dated_ahead)
    for store_id in ("letters", "newer"):
        (own_workspace.store_folder(store_id) / PROVENANCE_NAME).write_text("{}")

    chosen = catalog_of(own_workspace).store_for(MODEL_ID)

    assert chosen is not None
    assert chosen.manifest.store_id == dated_ahead


def test_a_damaged_store_hides_no_other(own_workspace: Workspace) -> None:
    broken = own_workspace.stores_folder / "broken"
    broken.mkdir()
    (broken / MANIFEST_NAME).write_text('{"format": 99}')
    assert catalog_of(own_workspace).store_for(MODEL_ID) is not None


def test_a_damaged_store_that_may_be_the_one_is_named(own_workspace: Workspace) -> None:
    path = own_workspace.store_folder("letters") / MANIFEST_NAME
    path.write_text('{"format": 99}')
    with pytest.raises(ArtefactError, match="format 99"):
        catalog_of(own_workspace).store_for(MODEL_ID)
