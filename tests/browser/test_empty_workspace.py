"""The page where there is nothing to show yet, and where there is a model without a store."""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import expect

from dashboard.state.page_state import PageState
from dashboard.views.page import BUILD_COMMAND
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from scripts.running_workbench import running_workbench
from tests.browser.conftest import AMBIGUOUS, Visit


def test_an_empty_workspace_says_what_is_missing_and_how_to_make_it(come: Visit, tmp_path: Path) -> None:
    with running_workbench("serve", tmp_path) as address:
        workbench = come(address).open()

        expect(workbench.page.get_by_role("heading", name="No model here yet")).to_be_visible()
        expect(workbench.page.get_by_text(str(tmp_path.resolve()))).to_be_visible()
        expect(workbench.page.get_by_text(BUILD_COMMAND)).to_be_visible()
        workbench.expect_no_notice()
        workbench.settle()
        workbench.leave()


def test_a_model_without_a_store_translates_and_says_what_is_missing(
    come: Visit, dates_workspace: Workspace, tmp_path: Path
) -> None:
    shutil.copytree(dates_workspace.root / "exported_models", tmp_path / "exported_models", symlinks=True)
    with running_workbench("serve", tmp_path) as address:
        workbench = come(address).open(PageState(Request("dates", AMBIGUOUS)))

        workbench.expect_target("2005-03-04")
        for card in (workbench.neighborhood, workbench.neighbors):
            expect(card).to_contain_text("There is no state store for dates in this workspace")
        expect(workbench.neighbors).to_contain_text("beamscope build")
        workbench.top_k(6).nth(1).click()
        workbench.expect_target("2005-09-04")
        workbench.expect_no_notice()
        workbench.settle()
        workbench.leave()
