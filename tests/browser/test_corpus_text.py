"""Texts of the corpus are texts, whatever they hold."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect

from dashboard.state.page_state import PageState
from exported_models.contract.publishing import MANIFEST_NAME, publish
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.runtime.model import ExportedModel
from scripts.running_workbench import running_workbench
from state_store.pairs import write_pairs
from state_store.store import StateStore
from tests.browser.conftest import AMBIGUOUS, Visit

MARKUP = "<img src=x onerror=alert(1)><b>1999</b> &amp; 'x' \\ `y`"


@pytest.fixture
def nasty_workspace(dates_workspace: Workspace, dates_model: ExportedModel, tmp_path: Path) -> Workspace:
    """The dates workspace with markup in place of every source of its corpus."""
    for name in ("exported_models", "state_store"):
        shutil.copytree(dates_workspace.root / name, tmp_path / name, symlinks=True)
    workspace = Workspace(tmp_path)
    folder = workspace.store_folder("dates")
    store = StateStore.open(folder, dates_model)
    pairs = [store.pair(sentence) for sentence in range(store.manifest.corpus.pairs)]
    staged = shutil.copytree(folder, tmp_path / "staged")
    write_pairs(staged, [replace(pair, source=f"{MARKUP} {pair.sentence}") for pair in pairs])
    (staged / MANIFEST_NAME).unlink()
    publish(staged, workspace.stores_folder / "dates", store.manifest.for_publishing(), {})
    return workspace


def test_markup_in_the_corpus_is_shown_as_text(come: Visit, nasty_workspace: Workspace) -> None:
    with running_workbench("serve", nasty_workspace.root) as address:
        workbench = come(address).open(PageState(Request("dates", AMBIGUOUS)))
        workbench.expect_neighborhood()

        expect(workbench.pairs().first.locator(".pair-source")).to_contain_text(MARKUP)
        expect(workbench.neighborhood.get_by_role("table")).to_contain_text(MARKUP)
        expect(workbench.page.locator("[data-role='page-body'] img[src='x']")).to_have_count(0)
        workbench.leave()
