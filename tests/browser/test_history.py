"""Every what-if can be gone back to, and every page can be linked to."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.workbench import Workbench


@pytest.fixture
def changed(workbench: Workbench) -> Workbench:
    """A visitor who chose another word at step 7 of 2005-03-04."""
    workbench.expect_target("2005-03-04")
    workbench.top_k(6).nth(1).click()
    expect(workbench.moments()).to_have_count(2)
    workbench.expect_target("2005-09-04")
    workbench.settle()
    return workbench


def test_undo_and_redo(changed: Workbench) -> None:
    redo = changed.page.get_by_role("button", name="Redo")
    expect(redo).to_be_disabled()

    changed.click_button("Undo")
    changed.expect_target("2005-03-04")
    expect(changed.moments().first).to_have_attribute("aria-current", "true")
    expect(changed.page.get_by_role("button", name="Undo")).to_be_disabled()

    changed.click_button("Redo")
    changed.expect_target("2005-09-04")
    expect(changed.moments()).to_have_count(2)


def test_scores_under_another_penalty_are_not_set_against_each_other(changed: Workbench) -> None:
    expect(changed.moments().last).to_have_attribute("data-gain", re.compile(r"\d"))

    penalty = changed.open_panel("More search settings").get_by_role("spinbutton", name="penalty")
    penalty.fill("1.5")
    penalty.press("Enter")

    expect(changed.moments()).to_have_count(3)
    assert changed.moments().last.get_attribute("data-gain") is None


def test_two_quick_undos_go_two_steps_and_no_further(changed: Workbench) -> None:
    changed.translate("March 3, 1999")
    changed.expect_target("1999-03-03")
    changed.page.keyboard.press("Escape")

    for key in "uu":
        changed.page.keyboard.press(key)
    changed.expect_target("2005-03-04")
    expect(changed.page.get_by_role("button", name="Undo")).to_be_disabled()

    for key in "rru":
        changed.page.keyboard.press(key)
    changed.settle()
    changed.expect_target("2005-09-04")
    expect(changed.moments()).to_have_count(3)


def test_clicks_while_an_answer_is_on_its_way_are_answered_in_their_order(changed: Workbench) -> None:
    before = changed.moments().count()
    changed.page.evaluate(
        """() => {
          const column = (step) => document.querySelectorAll('.top-column')[step].children;
          column(0)[1].click();
          document.querySelector('[data-role="header-undo"]').click();
          column(9)[1].click();
        }"""
    )
    changed.settle()

    expect(changed.moments()).to_have_count(before + 1)
    expect(changed.page.get_by_role("contentinfo").get_by_text("2/2 ›")).to_be_visible()
    changed.expect_target_begins("2005-09-0")


def test_an_undo_behind_a_change_that_was_refused_takes_nothing_back(changed: Workbench) -> None:
    changed.page.evaluate(
        """() => {
          window.beamscope.active().wish({ verb: 'choose', step: 99, rank: 0 });
          document.querySelector('[data-role="header-undo"]').click();
        }"""
    )
    changed.settle()

    changed.expect_notice(re.compile("There is no step 99"))
    changed.expect_target("2005-09-04")
    changed.page.keyboard.press("u")
    changed.expect_target("2005-03-04")


def test_any_moment_can_be_gone_back_to_and_branched_from(changed: Workbench) -> None:
    changed.translate("March 3, 1999")
    changed.expect_target("1999-03-03")
    expect(changed.moments()).to_have_count(3)

    changed.moments().first.click()
    changed.expect_target("2005-03-04")
    expect(changed.source).to_have_value("03/04/05")
    changed.top_k(9).nth(1).click()

    expect(changed.page.get_by_role("contentinfo").get_by_text("2/2 ›")).to_be_visible()
    expect(changed.moments()).to_have_count(2)


def test_a_reload_keeps_the_what_if(changed: Workbench) -> None:
    changed.page.reload()

    changed.expect_target("2005-09-04")
    expect(changed.source).to_have_value("03/04/05")
    changed.expect_neighborhood()


def test_the_address_reopens_the_same_what_if_elsewhere(changed: Workbench, come: Visit, address: str) -> None:
    fragment = changed.page.url.partition("#")[2]
    nodes = [node.path for node in changed.tree_nodes()]

    other = come(address).open(fragment=fragment)

    other.expect_target("2005-09-04")
    assert [node.path for node in other.tree_nodes()] == nodes
    expect(other.top_k(6)).to_have_text(changed.top_k(6).all_text_contents())


def test_the_way_back_of_the_browser_is_undo_too(changed: Workbench) -> None:
    changed.page.go_back()
    changed.expect_target("2005-03-04")

    changed.page.go_forward()
    changed.expect_target("2005-09-04")
    expect(changed.moments()).to_have_count(2)


def test_share_copies_the_link(changed: Workbench) -> None:
    changed.page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    changed.click_button("Share")

    changed.expect_notice("The link to this page is copied.")
    assert changed.page.evaluate("navigator.clipboard.readText()") == changed.page.url
    changed.expect_no_notice()


def test_share_copies_nothing_where_a_link_would_be_too_long(changed: Workbench) -> None:
    changed.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    changed.page.evaluate("navigator.clipboard.writeText('before')")
    refused = {"fragment": "", "refusal": "Links end at 8 kB."}
    changed.page.evaluate("(link) => window.beamscope.active().takeLink(link)", refused)
    changed.expect_notice("Links end at 8 kB.")
    changed.notice.click()
    changed.expect_no_notice()

    changed.click_button("Share")

    changed.expect_notice("Links end at 8 kB.")
    assert changed.page.evaluate("navigator.clipboard.readText()") == "before"


def test_search_options_keep_the_what_if(changed: Workbench) -> None:
    beam = changed.page.get_by_role("spinbutton", name="beam")

    beam.fill("2")
    beam.press("Enter")

    expect(changed.moments().last).to_have_text("beam 2")
    changed.expect_target("2005-09-04")
    expect(changed.translation.get_by_text("hypothesis 1 of 2")).to_be_visible()
