"""Everything without a mouse."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from dashboard.state.page_state import PageState
from exported_models.contract.request import Request
from tests.browser.conftest import Visit
from tests.browser.workbench import LIT, Workbench


def test_a_whole_analysis_with_the_keyboard_alone(workbench: Workbench) -> None:
    keyboard = workbench.page.keyboard
    workbench.expect_target("2005-03-04")

    keyboard.press("/")
    expect(workbench.source).to_be_focused()
    keyboard.type("March 3, 1999")
    keyboard.press("Enter")
    workbench.expect_target("1999-03-03")
    keyboard.press("Escape")
    expect(workbench.source).not_to_be_focused()

    workbench.words("target").first.focus()
    for _ in range(9):
        keyboard.press("ArrowRight")
    expect(workbench.words("target").nth(9)).to_be_focused()
    expect(workbench.words("target").nth(9)).to_have_class(LIT)
    keyboard.press("Enter")
    expect(workbench.neighbors).to_contain_text("step 10, before")

    workbench.top_k(9).first.focus()
    keyboard.press("ArrowDown")
    wanted = workbench.top_k(9).nth(1)
    expect(wanted).to_be_focused()
    word = wanted.inner_text()
    keyboard.press("Enter")
    workbench.expect_target_begins([*"1999-03-0", word])

    expect(workbench.moments()).to_have_count(3)
    workbench.settle()
    keyboard.press("Escape")
    keyboard.press("u")
    workbench.expect_target("1999-03-03")
    workbench.settle()
    keyboard.press("r")
    workbench.expect_target_begins([*"1999-03-0", word])


def test_attention_is_changed_with_the_keyboard(workbench: Workbench) -> None:
    keyboard = workbench.page.keyboard
    workbench.expect_target("2005-03-04")

    keyboard.press("a")
    expect(workbench.translation.get_by_role("radio", name="Change attention")).to_be_checked()
    workbench.words("target").nth(6).press("Enter")
    workbench.words("source").nth(4).press("Enter")
    expect(workbench.translation).to_contain_text("“3” at step 7 attends to “4” 100 %")
    workbench.translation.get_by_role("button", name="Apply").press("Enter")

    expect(workbench.moments().last).to_have_text("7: attention → “4”")


def test_the_top_k_is_walked_in_both_directions(workbench: Workbench) -> None:
    keyboard = workbench.page.keyboard
    workbench.top_k(2).nth(1).focus()

    keyboard.press("ArrowRight")
    expect(workbench.top_k(3).nth(1)).to_be_focused()
    keyboard.press("ArrowUp")
    expect(workbench.top_k(3).nth(0)).to_be_focused()
    keyboard.press("ArrowLeft")
    expect(workbench.top_k(2).nth(0)).to_be_focused()


@pytest.mark.parametrize(("key", "stage"), [("1", "Encoder"), ("5", "Search")])
def test_a_number_brings_a_stage_forward(standing: Workbench, key: str, stage: str) -> None:
    standing.expect_target("2005-03-04")

    standing.page.keyboard.press(key)

    button = standing.page.get_by_role("navigation", name="Stages").get_by_role("button", name=stage)
    expect(button).to_have_attribute("aria-pressed", "true")


def test_the_shortcuts_are_listed(standing: Workbench) -> None:
    standing.expect_target("2005-03-04")

    standing.page.keyboard.press("?")

    listed = standing.page.get_by_role("heading", name="Keyboard")
    expect(listed).to_be_visible()
    standing.page.keyboard.press("Escape")
    expect(listed).to_be_hidden()


FOCUS_SEEN = """() => {
  const drawn = (element) => {
    const style = getComputedStyle(element);
    return style.outlineStyle !== 'none' || style.boxShadow !== 'none';
  };
  const element = document.activeElement;
  const around = [element, element.parentElement, element.closest('label')].filter(Boolean);
  return [element.outerHTML.slice(0, 160), around.some(drawn)];
}"""


def test_what_has_the_focus_is_seen(come: Visit, address: str) -> None:
    workbench = come(address).open()
    workbench.expect_neighborhood()
    seen = []

    for _ in range(20):
        workbench.page.keyboard.press("Tab")
        seen.append(workbench.page.evaluate(FOCUS_SEEN))

    assert [element for element, is_seen in seen if not is_seen] == []
    assert len({element for element, _ in seen}) > 15


def test_what_someone_is_typing_is_not_overwritten_by_an_answer(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    workbench.page.keyboard.press("/")
    expect(workbench.source).to_be_focused()
    workbench.page.keyboard.type("April 1")

    workbench.show(PageState(Request("dates", "March 3, 1999")))

    workbench.expect_target("1999-03-03")
    expect(workbench.source).to_have_value("April 1")


def test_the_word_at_the_focus_stays_lit_when_the_map_arrives(workbench: Workbench) -> None:
    workbench.expect_neighborhood()
    workbench.words("target").nth(2).focus()
    expect(workbench.words("target").nth(2)).to_have_class(LIT)

    workbench.page.evaluate("() => window.beamscope.active().look()")
    workbench.settle()

    expect(workbench.words("target").nth(2)).to_have_class(LIT)
    expect(workbench.pictograms().nth(2)).to_have_class(LIT)
