"""Two panes on one page: each shows a request of its own, and neither hears of the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from dash import html
from dash.development.base_component import Component
from playwright.sync_api import Locator, Page, expect

from dashboard.drawing.attributes import wild
from dashboard.serving import create_application
from dashboard.state.page_state import PageState
from dashboard.state.url_state import encode_fragment
from dashboard.views import header, history, stages
from dashboard.views.ids import NBestRole, TranslationRole
from dashboard.views.mantine import provide
from dashboard.views.page import lay_out_notice, lay_out_pane
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from tests.browser.conftest import AMBIGUOUS, Visit
from tests.browser.workbench import END, IS_SETTLED, LIT, Workbench

OTHER = "March 3, 1999"


@pytest.fixture
def two_panes(dates_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a page with a pane ``one`` and a pane ``other``."""
    monkeypatch.setattr("dashboard.app.lay_out_page", lambda _services: lay_out_two_panes())
    config = uvicorn.Config(create_application(dates_workspace), port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def lay_out_two_panes() -> Component:
    panes = [html.Main(lay_out_pane(name), className="views", **wild(data_pane=name)) for name in ("one", "other")]
    return provide([header.layout(("dates",)), stages.layout(), *panes, history.layout(), lay_out_notice()])


def pane(page: Page, name: str) -> Locator:
    return page.locator(f'[data-pane="{name}"]')


def target(page: Page, name: str) -> Locator:
    """The target words of a pane."""
    return pane(page, name).locator(f'[data-role="{TranslationRole.TARGET_WORDS}"] button')


def test_each_pane_shows_links_and_changes_its_own_request(come: Visit, two_panes: str) -> None:
    workbench: Workbench = come(two_panes).open(PageState(Request("dates", AMBIGUOUS)))
    page = workbench.page
    expect(target(page, "one")).to_have_text([*"2005-03-04", END])

    page.evaluate(
        "(fragment) => window.beamscope.panes()[1].wish({ verb: 'open', fragment })",
        encode_fragment(PageState(Request("dates", OTHER))),
    )
    expect(target(page, "other")).to_have_text([*"1999-03-03", END])
    expect(target(page, "one")).to_have_text([*"2005-03-04", END])

    target(page, "one").nth(3).hover()
    expect(target(page, "one").nth(3)).to_have_class(LIT)
    expect(pane(page, "other").locator("[data-side].lit")).to_have_count(0)

    target(page, "other").nth(5).click()
    expect(pane(page, "other").get_by_text("step 6, before")).to_be_visible()
    expect(pane(page, "one").locator(".picked")).to_have_count(0)

    column = pane(page, "other").locator(f'[data-role="{TranslationRole.TOP_K}"] [data-index="9"] button')
    column.nth(1).click()
    expect(target(page, "other")).not_to_have_text([*"1999-03-03", END])
    expect(target(page, "one")).to_have_text([*"2005-03-04", END])
    expect(workbench.moments()).to_have_count(2)

    pane(page, "one").get_by_text("hypothesis 1 of 5").click()
    pane(page, "one").locator(f'[data-role="{NBestRole.LIST}"]').get_by_role("button").nth(1).click()
    expect(pane(page, "one").get_by_text("hypothesis 2 of 5")).to_be_visible()
    expect(pane(page, "other").get_by_text("hypothesis 1 of 5")).to_be_visible()
    page.wait_for_function(IS_SETTLED)
    workbench.leave()
