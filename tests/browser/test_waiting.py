"""What takes longer than a second says so, and can be stopped: on the server too, and the page stays as it was."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Locator, expect

from dashboard.state.page_state import PageState
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from scripts.running_workbench import running_workbench
from tests.browser.conftest import AMBIGUOUS, Visit
from tests.browser.workbench import Workbench

LONGEST = 1024
QUICK = Request("dates", "March 3, 1999 " * 20, beam_size=30, max_length=LONGEST, repetition_penalty=1.01)
"""It ends by itself after eleven tokens; with a least length as large as the largest, it takes seconds."""
FIGURE = re.compile(r"^(beamscope_\w+(?:\{[^}]*\})?) (\S+)$", re.MULTILINE)
PICTURE = """() => [...document.querySelectorAll('.card, .header, .stages, .history, .words button')].map((element) => {
  const box = element.getBoundingClientRect();
  return [element.matches('.words *') && element.textContent, box.x, box.y, box.width, box.height];
})"""

# Milliseconds from the press of a key until the line is seen.
WATCH_LINE = """() => {
  const line = document.querySelector('.waiting');
  let pressed = null;
  document.addEventListener('keydown', () => { pressed = pressed ?? performance.now(); }, true);
  new MutationObserver(() => { window.lineAfter ??= performance.now() - pressed; }).observe(line, { attributes: true });
}"""


def read_figures(workbench: Workbench) -> dict[str, float]:
    """What the server says of itself."""
    reply = workbench.page.request.get(f"{workbench.address}metrics")
    return {name: float(value) for name, value in FIGURE.findall(reply.text())}


def expect_idle(workbench: Workbench) -> dict[str, float]:
    """Nothing is computed any more, soon; the figures then."""
    deadline = time.monotonic() + 20
    while (figures := read_figures(workbench))["beamscope_calls_running"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return figures


def field_of_least_length(workbench: Workbench) -> Locator:
    """The field in the panel of search settings, which is opened."""
    return workbench.open_panel("More search settings").get_by_role("spinbutton", name="at least")


def ask_for_the_longest(workbench: Workbench) -> None:
    """Ask for a target that is as long as it may be, which takes seconds."""
    least = field_of_least_length(workbench)
    least.fill(str(LONGEST))
    workbench.page.evaluate(WATCH_LINE)
    least.press("Enter")


@pytest.fixture(scope="module")
def large_address(dates_workspace: Workspace) -> Iterator[str]:
    """The address of a workbench that answers requests which take a gigabyte."""
    with running_workbench("serve", dates_workspace.root, "--request-memory", "1000") as found:
        yield found


@pytest.fixture
def patient(come: Visit, large_address: str) -> Workbench:
    """A visitor before an answer that came quickly."""
    workbench = come(large_address).open(PageState(QUICK))
    workbench.expect_target("1999-03-03")
    workbench.expect_neighborhood()
    workbench.tree_nodes()
    workbench.settle()
    return workbench


def test_a_slow_translation_is_stopped_by_its_button(patient: Workbench) -> None:
    line, picture, before = patient.waiting, patient.page.evaluate(PICTURE), expect_idle(patient)
    ask_for_the_longest(patient)
    patient.top_k(6).nth(1).click()

    expect(line).to_contain_text(re.compile("Waiting for the answer[1-9] s"))
    assert patient.page.evaluate("window.lineAfter") >= 1000
    assert read_figures(patient)["beamscope_calls_running"] == 1
    assert patient.page.evaluate(PICTURE) == picture
    line.get_by_role("button", name="Stop").click()

    expect(line).to_be_hidden()
    sentence = "Stopped after [1-9] s; the answer before it stays, and the click that waited is dropped."
    patient.expect_notice(re.compile(sentence))
    # The search was stopped: its trace is not kept.
    assert expect_idle(patient)["beamscope_cached_trace_bytes"] == before["beamscope_cached_trace_bytes"]
    patient.settle()
    assert patient.page.evaluate(PICTURE) == picture
    expect(patient.moments()).to_have_count(1)
    expect(field_of_least_length(patient)).to_have_value("0")

    patient.press("Escape")
    patient.top_k(6).nth(1).click()
    patient.expect_target_begins("1999-05")
    patient.expect_no_notice()
    patient.settle()


def test_escape_stops_what_is_asked_again_before_it_closes_anything(patient: Workbench) -> None:
    ask_for_the_longest(patient)
    patient.words("target").nth(3).click()
    expect(patient.waiting).to_be_visible()
    patient.press("Escape")
    patient.expect_notice(re.compile("Stopped after .* the answer before it stays[.]"))
    expect(patient.words("target").nth(3)).to_have_class(re.compile("picked"))

    patient.notice.get_by_role("button", name="Ask again").click()
    expect(patient.waiting).to_be_visible()
    patient.source.focus()
    patient.press("Escape")
    expect(patient.waiting).to_be_hidden()
    expect(patient.source).to_be_focused()

    expect_idle(patient)
    patient.translate("March 3, 1999")
    expect(patient.moments()).to_have_count(2)
    patient.settle()


def test_a_page_that_opens_with_something_slow_can_be_used_without_it(come: Visit, large_address: str) -> None:
    workbench = come(large_address).open(PageState(replace(QUICK, min_length=LONGEST)))

    workbench.waiting.get_by_role("button", name="Stop").press("Enter")

    workbench.expect_notice(re.compile("Stopped after .* there is no answer yet[.]"))
    workbench.translate("March 3, 1999")
    workbench.expect_target("1999-03-03")
    workbench.settle()


def test_a_map_that_takes_long_is_stopped_and_looked_for_again(workbench: Workbench) -> None:
    workbench.expect_neighborhood()
    workbench.choose(workbench.neighborhood, "Encoder")
    expect(workbench.pictograms()).to_have_count(len(AMBIGUOUS) + 1)
    network = workbench.page.context.new_cdp_session(workbench.page)
    network.send("Network.enable")
    far = {"offline": False, "latency": 4000, "downloadThroughput": -1, "uploadThroughput": -1}
    network.send("Network.emulateNetworkConditions", far)

    workbench.choose(workbench.neighborhood, "Context")
    expect(workbench.waiting).to_contain_text("Waiting for map and neighbors")
    workbench.waiting.get_by_role("button", name="Stop").click()

    workbench.expect_notice(re.compile("Stopped after [1-9] s; map and neighbors are as they were before[.]"))
    expect(workbench.neighborhood.get_by_role("radio", name="Encoder")).to_be_checked()
    expect(workbench.pictograms()).to_have_count(len(AMBIGUOUS) + 1)

    network.send("Network.emulateNetworkConditions", far | {"latency": 0})
    workbench.choose(workbench.neighborhood, "Context")
    expect(workbench.pictograms()).to_have_count(len("2005-03-04") + 1)
    workbench.notice.get_by_role("button", name="Look again").click()
    workbench.expect_neighborhood()
    workbench.expect_no_notice()
