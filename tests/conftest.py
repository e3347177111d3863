"""Fixtures that every part of the suite shares: the browser, the optional materials, and marks in the report."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Matrix libraries on two busy cores spend their time waiting for each other: one thread each is faster. Set before any
# of them is imported, and inherited by the programs that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["tests.artefacts"]

FIND_CHROMIUM = Path(__file__).resolve().parent.parent / "scripts" / "find_chromium.sh"
CHROMIUM_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")

# No deadline: a busy machine is not a failing test.
settings.register_profile("beamscope", deadline=None, print_blob=True)
settings.load_profile("beamscope")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Write each test's marks into the JUnit report, where `scripts/check_skips.py` reads them."""
    for item in items:
        item.user_properties.extend(("mark", mark.name) for mark in item.iter_markers())


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The path of the Chromium to drive; without one the test is skipped."""
    found = subprocess.run([FIND_CHROMIUM], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.skip(found.stderr.strip())
    return found.stdout.strip()


# One browser a module: the sync API keeps an event loop running, which others may not have around them.
@pytest.fixture(scope="module")
def browser(chromium_path: str) -> "Iterator[Browser]":
    """A running headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium_path, args=list(CHROMIUM_ARGUMENTS))
        yield running
        running.close()


@pytest.fixture(scope="session")
def materials() -> Path:
    """The optional materials folder: corpora and checkpoints that are not redistributed."""
    named = os.environ.get("BEAMSCOPE_MATERIALS")
    if not named:
        pytest.skip("BEAMSCOPE_MATERIALS does not name a folder of materials")
    return Path(named)
