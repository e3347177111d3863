"""One server for the whole suite, one visitor (a fresh browser context) a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from dashboard.state.page_state import PageState
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from scripts.running_workbench import running_workbench
from tests.browser.workbench import Workbench

PATIENCE_MS = 60_000
"""A loaded machine is slow, not wrong."""

AMBIGUOUS = "03/04/05"
"""Day and month may be either: the model hesitates, so every view has something to show."""

Visit = Callable[..., Workbench]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder drives Chromium."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def address(dates_workspace: Workspace) -> Iterator[str]:
    """The address of a workbench over the dates workspace, run as its users run it."""
    with running_workbench("serve", dates_workspace.root) as found:
        yield found


@pytest.fixture
def come(browser: Browser) -> Iterator[Visit]:
    """Make visitors: each has a browser context of its own, and none may have heard a complaint in the end.

    The value takes the address, and what Playwright's ``new_context`` takes.
    """
    with welcome(browser) as visit:
        yield visit


@contextmanager
def welcome(browser: Browser) -> Iterator[Visit]:
    """`come`, for tests that share a visitor."""
    expect.set_options(timeout=PATIENCE_MS)
    visitors: list[Workbench] = []

    def come(address: str, **options: Any) -> Workbench:
        context = browser.new_context(
            **{"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"} | options
        )
        context.set_default_timeout(PATIENCE_MS)
        visitors.append(Workbench(context.new_page(), address))
        return visitors[-1]

    yield come
    heard = [visitor.complaints.heard for visitor in visitors]
    for visitor in visitors:
        visitor.page.context.close()
    assert heard == [[]] * len(visitors)


@pytest.fixture
def workbench(come: Visit, address: str) -> Workbench:
    """A visitor who looks at a date with two readings."""
    return come(address).open(PageState(Request("dates", AMBIGUOUS)))


@pytest.fixture(scope="module")
def standing(browser: Browser, address: str) -> Iterator[Workbench]:
    """One visitor of the same page, for all tests of a module that leave its answer as it was."""
    with welcome(browser) as come:
        visitor = come(address).open(PageState(Request("dates", AMBIGUOUS)))
        visitor.expect_neighborhood()
        yield visitor
