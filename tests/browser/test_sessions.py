"""The history as a tree, and sessions that are kept, saved and opened elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import expect

from dashboard.state.page_state import PageState
from dashboard.state.session import read_session
from dashboard.views.ids import ChangesRole, ComparisonRole, HistoryRole, PageRole, SessionRole
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from scripts.running_workbench import running_workbench
from tests.browser.conftest import Visit
from tests.browser.workbench import END, Traffic, Workbench

MARKUP = "<img src=x onerror=alert(1)> & <b>bold</b>"
MISTAKE = "1974-04-04"

MANY_MOMENTS = """(count) => {
  const { past, active } = window.beamscope;
  const pane = active();
  const seen = (number) => ({
    state: { request: { model_id: "dates", source: "May " + number }, hypothesis: 0 },
    label: "May " + number, text: "2005-05-01", score: -number / 1000, model_hash: "",
  });
  for (let number = 1; number < count; number += 1) {
    const parent = number % 7 ? pane.past.current : Math.floor(pane.past.moments.length / 2);
    pane.past = past.visit(pane.past, seen(number), parent, 500);
  }
  pane.past = { moments: pane.past.moments, current: 0 };
  window.beamscope.drawHistory(pane);
}"""


def make_branches(workbench: Workbench) -> None:
    """A history of three answers: two changes of the same one."""
    workbench.expect_target("2005-03-04")
    workbench.top_k(6).nth(1).click()
    workbench.expect_target("2005-09-04")
    workbench.settle()
    workbench.page.keyboard.press("u")
    workbench.expect_target("2005-03-04")
    workbench.settle()
    workbench.top_k(9).nth(1).click()
    workbench.expect_target("2005-03-01")
    workbench.settle()


def test_the_history_is_a_tree_with_names_notes_and_stars(workbench: Workbench) -> None:
    make_branches(workbench)
    keyboard = workbench.page.keyboard
    rows = workbench.open_history()

    labels = [r"“03/04/05”", r"7: “3” → “9”.*−0\.1", r"10: “4” → “1”"]
    expect(rows).to_have_text([re.compile(label) for label in labels])
    expect(workbench.part(HistoryRole.COUNT)).to_contain_text("3 answers, 2 branches")
    expect(rows.nth(2)).to_be_focused()
    assert [rows.nth(index).get_attribute("aria-level") for index in range(3)] == ["1", "2", "2"]

    keyboard.press("ArrowUp")
    keyboard.press("*")
    keyboard.press("F2")
    keyboard.type("September")
    keyboard.press("Enter")
    keyboard.press("n")
    keyboard.type(MARKUP)
    keyboard.press("Control+Enter")
    expect(rows.nth(1)).to_be_focused()
    expect(rows.nth(1)).to_contain_text("★September7: “3” → “9”2005-09-04")
    expect(rows.nth(1)).to_contain_text(MARKUP)

    # Two clicks: the first one pins, the second one shows.
    rows.nth(1).get_by_role("button", name="Pin").click()
    rows.nth(0).click()
    expect(workbench.part(ComparisonRole.BEFORE)).to_have_text(f"2005-09-04{END}")
    expect(workbench.part(ComparisonRole.AFTER)).to_have_text(f"2005-03-04{END}")
    workbench.settle()

    workbench.page.reload()
    expect(workbench.part(ComparisonRole.BEFORE)).to_have_text(f"2005-09-04{END}")
    workbench.settle()
    expect(workbench.open_history()).to_have_count(3)
    expect(rows.nth(1)).to_contain_text(MARKUP)

    rows.nth(1).press("Delete")
    expect(rows).to_have_count(2)
    workbench.page.get_by_role("button", name="Bring back 1 deleted").click()
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("September")


def test_two_hundred_answers_are_drawn_and_none_travels(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    workbench.settle()
    workbench.page.evaluate(MANY_MOMENTS, 200)

    expect(workbench.open_history()).to_have_count(200)
    workbench.page.keyboard.press("Escape")
    traffic = Traffic(workbench.page)
    workbench.top_k(6).nth(1).click()
    workbench.expect_target("2005-09-04")
    workbench.settle()

    assert max(map(len, traffic.questions())) < 4_000
    expect(workbench.part(HistoryRole.TOGGLE)).to_have_text("Tree 201")


def save_noted_session(workbench: Workbench) -> Path:
    """The file of a session of three answers, with markup in the note of the last one."""
    make_branches(workbench)
    rows = workbench.open_history()
    rows.last.press("n")
    workbench.page.keyboard.type(MARKUP)
    workbench.page.keyboard.press("Control+Enter")
    workbench.page.keyboard.press("Escape")
    expect(workbench.part(SessionRole.GUIDE)).to_contain_text(MARKUP)
    return workbench.save_session()


def follow_link(fresh: Workbench, link: str) -> None:
    """A link holds all of the session that `save_noted_session` makes."""
    fresh.page.goto(link)
    fresh.expect_target("2005-03-01")
    expect(fresh.part(SessionRole.GUIDE)).to_contain_text(MARKUP)
    fresh.settle()
    expect(fresh.open_history()).to_have_count(3)


def test_a_session_goes_to_a_fresh_browser_and_no_visitor_sees_anothers(
    workbench: Workbench, come: Visit, address: str, dates_workspace: Workspace, tmp_path: Path
) -> None:
    file = save_noted_session(workbench)
    session = read_session(file.read_bytes())
    assert [moment.text for moment in session.moments] == ["2005-03-04", "2005-09-04", "2005-03-01"]
    assert all(len(moment.model_hash) == 64 for moment in session.moments)

    follow_link(come(address), workbench.copy_session_link())

    # Another analyst on the same server has a history of their own.
    other = come(address).open(PageState(Request("dates", "March 3, 1999")))
    other.expect_target("1999-03-03")
    other.settle()
    expect(other.open_history()).to_have_count(1)
    other.page.keyboard.press("Escape")
    expect(workbench.moments()).to_have_count(2)

    # A file that cannot be opened leaves everything as it was.
    broken = tmp_path / "cut.json"
    broken.write_text(file.read_text(encoding="utf-8")[:-200], encoding="utf-8")
    other.open_session(broken)
    other.expect_notice(re.compile("damaged or was cut off"))
    other.expect_target("1999-03-03")

    # One that can is there, notes and all; a model of another build is named.
    document = json.loads(file.read_text(encoding="utf-8"))
    document["moments"][0]["model_hash"] = "0" * 64
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(document), encoding="utf-8")
    other.open_session(changed)
    other.expect_target("2005-03-01")
    other.expect_notice(re.compile("The model dates has changed"))
    expect(other.part(SessionRole.GUIDE)).to_contain_text(MARKUP)
    expect(other.open_history()).to_have_count(3)

    # `beamscope open` on another machine, and the same tab after the server was started again.
    with running_workbench("open", dates_workspace.root, str(file)) as opened:
        third = come(opened.partition("#")[0])
        third.page.goto(opened)
        third.expect_target("2005-03-01")
        third.settle()
        third.page.keyboard.press("u")
        third.expect_target("2005-03-04")
        third.settle()
    with running_workbench("serve", dates_workspace.root, "--port", str(urlsplit(opened).port)):
        third.page.reload()
        third.expect_target("2005-03-04")
        third.settle()
        expect(third.open_history()).to_have_count(3)
        third.leave()


def test_a_first_visit_explains_a_mistake_of_the_model(come: Visit, address: str) -> None:
    workbench = come(address).open()
    offers = workbench.part(PageRole.WELCOME).locator(".offer")
    expect(offers).to_have_count(3)
    workbench.translate("May 1")
    expect(workbench.part(PageRole.WELCOME)).to_be_hidden()

    workbench.choose_in_session_menu("Worked examples")
    offers.filter(has_text="A real mistake").click()
    workbench.expect_target(MISTAKE)
    guide = workbench.part(SessionRole.GUIDE)
    expect(guide).to_contain_text("The mistake1 of 5")
    guide.get_by_role("button", name="Next").click()
    expect(workbench.part(ComparisonRole.BEFORE)).to_have_text(f"{MISTAKE}{END}")
    expect(workbench.part(ComparisonRole.AFTER)).to_have_text(f"1974-04-07{END}")
    expect(workbench.part(ChangesRole.CONTENT)).to_contain_text("Attention moved at 1 step, most from “4 › 7” to “4”")
    expect(guide).to_contain_text("2 of 5")

    workbench.settle()
    workbench.page.goto("about:blank")
    workbench.page.goto(address)
    expect(workbench.part(ComparisonRole.AFTER)).to_have_text(f"1974-04-07{END}")
    expect(workbench.part(PageRole.WELCOME)).to_be_hidden()
    workbench.settle()
