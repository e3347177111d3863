"""The page behind a log-in and under a path prefix, as a proxy serves it."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from dashboard.state.page_state import PageState
from dashboard.state.url_state import encode_fragment
from dashboard.views.ids import TranslationRole
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from scripts.running_workbench import running_workbench
from tests.browser.conftest import AMBIGUOUS, Visit

TOKEN = "a secret of the whole team"


def test_a_link_is_opened_after_the_log_in_and_under_a_path_prefix(
    dates_workspace: Workspace, tmp_path: Path, come: Visit
) -> None:
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    options = ["--path-prefix", "/lab", "--token-file", str(tmp_path / "token")]
    with running_workbench("serve", dates_workspace.root, *options) as address:
        visitor = come(address)
        page = visitor.page
        page.goto(f"{address}#{encode_fragment(PageState(Request('dates', AMBIGUOUS)))}")
        page.get_by_label("Token", exact=True).fill(TOKEN)
        page.get_by_role("button", name="Log in").click()

        expect(page.locator(f'[data-role="{TranslationRole.TARGET_WORDS}"]')).to_contain_text("2005")
        expect(page.get_by_role("button", name="Log in")).to_have_count(0)
        assert page.url.startswith(f"{address}#")
        # The browser reports the page that asked to log in as an error of loading.
        visitor.complaints.heard[:] = [line for line in visitor.complaints.heard if "401" not in line]
