"""The size of questions and answers: small, and never with states."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dashboard.state.page_state import PageState
from dashboard.views.answers import ANSWER
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from tests.browser.conftest import AMBIGUOUS
from tests.browser.workbench import Traffic, Workbench

LARGEST_TRANSLATION = 60_000
LARGEST_QUESTION = 20_000
TWENTY_TOKENS = tuple("2005-03-04" * 2)[:19]


def numbers_in(value: Any) -> Iterator[list[float]]:
    """Every list of numbers in a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        if value and all(isinstance(entry, int | float) for entry in value):
            yield [float(entry) for entry in value]
        for entry in value:
            yield from numbers_in(entry)


def test_a_translation_of_twenty_tokens_is_small(workbench: Workbench) -> None:
    workbench.expect_neighborhood()
    traffic = Traffic(workbench.page)

    workbench.show(PageState(Request("dates", AMBIGUOUS, prefix=TWENTY_TOKENS)))
    workbench.expect_target_begins(TWENTY_TOKENS)
    workbench.expect_neighborhood()

    sizes = [len(body) for path, body in traffic.answers() if path == ANSWER]
    assert workbench.words("target").count() >= 20
    assert sizes
    assert sum(sizes) <= LARGEST_TRANSLATION, sizes
    assert max(len(question) for question in traffic.questions()) <= LARGEST_QUESTION


def test_no_state_reaches_the_browser(workbench: Workbench, dates_workspace: Workspace, tmp_path: Path) -> None:
    traffic = Traffic(workbench.page)
    trace = Engine(dates_workspace).translate(Request("dates", AMBIGUOUS))
    spaces = ("encoder", "decoder", "context")
    states = {
        tuple(round(float(value), 2) for value in state[:4])
        for space in spaces
        for state in trace.states(space, trace.best)
    }

    workbench.page.reload()
    workbench.expect_neighborhood()
    panel = workbench.open_panel("Save to a file")
    with workbench.page.expect_download() as download:
        panel.get_by_role("button", name="Trace as JSON").click()
    exported = tmp_path / "trace.json"
    download.value.save_as(exported)

    bodies = [json.loads(body) for _, body in traffic.answers()] + [json.loads(exported.read_text(encoding="utf-8"))]
    runs = {
        tuple(round(number, 2) for number in numbers[start : start + 4])
        for numbers in numbers_in(bodies)
        for start in range(len(numbers) - 3)
    }
    assert len(bodies) >= 3
    assert runs
    assert runs.isdisjoint(states)
