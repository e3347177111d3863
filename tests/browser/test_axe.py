"""axe-core finds nothing to complain about, in any state of the page, in both themes.

The rules are those of WCAG 2.2 up to level AA and axe's own best practices. The two canvases have text twins, which
axe reads with the rest of the page.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from dashboard.views.ids import ComparisonRole, HeaderRole, PageRole
from scripts.running_workbench import running_workbench
from tests.browser.conftest import Visit
from tests.browser.workbench import Workbench

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    # A description of every element that passes takes two thirds of the time.
    "resultTypes": ["violations"],
}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PANELS = (
    "Which attention is drawn",
    "Choose another hypothesis",
    "Which map",
    "More search settings",
    "Save to a file",
    "Keyboard shortcuts",
    "Save, open or share this session",
)


def complaints(workbench: Workbench) -> list[str]:
    """Each rule that is broken in either theme, and the elements that break it."""
    return [told for _ in range(2) for told in list_broken(change_theme(workbench))]


def change_theme(workbench: Workbench) -> Page:
    """Let the page wear its other theme, with the same panels open."""
    panels = workbench.page.get_by_role("dialog").and_(workbench.page.locator(":visible"))
    shown = panels.count()
    workbench.part(HeaderRole.THEME).evaluate("button => button.click()")
    workbench.settle()
    expect(panels).to_have_count(shown)
    return workbench.page


def list_broken(page: Page) -> list[str]:
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{broken['id']}: {node['html'][:200]}" for broken in found for node in broken["nodes"]]


def attention_mode(workbench: Workbench) -> None:
    """Some of the attention of a word is given to two source words."""
    workbench.choose(workbench.translation, "Change attention")
    workbench.words("target").nth(6).click()
    workbench.words("source").nth(4).click()
    workbench.words("source").nth(3).click()


def whole_tree(workbench: Workbench) -> None:
    """The tree with its pruned candidates, and the cursor of the keyboard in it."""
    workbench.choose(workbench.tree, "All")
    workbench.tree.get_by_role("application").press("ArrowRight")


def texts(workbench: Workbench) -> None:
    """Attention and search in words."""
    workbench.choose(workbench.translation, "Text")
    workbench.choose(workbench.tree, "Text")


def neighbor_list(workbench: Workbench) -> None:
    """The neighbors of a chosen source word."""
    workbench.words("source").nth(1).click()
    expect(workbench.neighbors).to_contain_text("token 2")


def enlarged_card(workbench: Workbench) -> None:
    """One card on the whole page."""
    workbench.neighborhood.get_by_role("button", name="Enlarge Neighborhood").click()


def notice(workbench: Workbench) -> None:
    """An error is told."""
    workbench.translate("🙂")
    expect(workbench.notice).to_contain_text("🙂")


def model_list(workbench: Workbench) -> None:
    """The list of models is open."""
    workbench.page.get_by_role("textbox", name="Model").click()
    expect(workbench.page.get_by_role("option").first).to_be_visible()


def stage(workbench: Workbench) -> None:
    """One stage is brought forward, the cards of the others step back."""
    workbench.page.keyboard.press("4")


def what_if(workbench: Workbench) -> None:
    """The history has a second moment, with a note and a star, and is open as a tree."""
    workbench.top_k(6).nth(1).click()
    expect(workbench.moments()).to_have_count(2)
    workbench.settle()
    rows = workbench.open_history()
    rows.last.press("*")
    rows.last.press("n")
    workbench.page.keyboard.type("a note")
    workbench.page.keyboard.press("Control+Enter")
    expect(rows.last).to_contain_text("a note")


def comparison(workbench: Workbench) -> None:
    """A what-if beside the pinned answer, both trees in words."""
    workbench.page.get_by_role("button", name="Pin", exact=True).click()
    workbench.top_k(6).nth(1).click()
    expect(workbench.part(ComparisonRole.AFTER).get_by_role("button").first).to_be_visible()
    workbench.choose(workbench.tree, "Text")


def word_menu(workbench: Workbench) -> None:
    """The menu of a target word, with words to write in its place, over an answer with conditions."""
    workbench.words("target").nth(3).click(button="right")
    menu = workbench.word_menu()
    menu.get_by_role("button", name="Forbid “5” at step 4").click()
    expect(workbench.conditions()).to_have_count(1)
    workbench.words("target").nth(2).click(button="right")
    expect(menu.get_by_role("table")).to_be_visible()


def completions(workbench: Workbench) -> None:
    """Words that begin as typed are listed under the field of a word, and one of them is chosen."""
    workbench.words("source").nth(1).click(button="right")
    field = workbench.word_menu().get_by_role("combobox", name="Another word")
    expect(field).to_have_value("03/04/05")
    field.fill("ma")
    expect(workbench.word_menu().get_by_role("option").first).to_be_visible()
    field.press("ArrowDown")


def text_editor(workbench: Workbench) -> None:
    """The whole target is edited."""
    workbench.page.keyboard.press("E")
    expect(workbench.word_menu().get_by_role("textbox", name="The whole target")).to_be_visible()


def many_what_ifs(workbench: Workbench) -> None:
    """Other words were tried, and their heat stands under the words."""
    workbench.page.keyboard.press("w")
    panel = workbench.page.get_by_role("dialog", name="Many what-ifs")
    panel.get_by_role("button", name="Other words").click()
    expect(panel.get_by_role("status")).to_contain_text("change the words")


def waiting(workbench: Workbench) -> None:
    """Something takes longer than a second."""
    workbench.page.evaluate("() => { window.beamscope.waitFor('the answer'); }")
    expect(workbench.waiting).to_be_visible()


STATES: tuple[Callable[[Workbench], None], ...] = (
    attention_mode,
    whole_tree,
    texts,
    neighbor_list,
    enlarged_card,
    notice,
    model_list,
    stage,
    what_if,
    comparison,
    word_menu,
    completions,
    text_editor,
    many_what_ifs,
    waiting,
)


@pytest.fixture
def looking(workbench: Workbench) -> Workbench:
    """A visitor whose page has everything."""
    workbench.expect_neighborhood()
    return workbench


def test_nothing_is_wrong_when_the_page_opens(looking: Workbench) -> None:
    assert complaints(looking) == []


@pytest.mark.parametrize("reach", STATES, ids=lambda state: state.__name__)
def test_nothing_is_wrong_in(looking: Workbench, reach: Callable[[Workbench], None]) -> None:
    reach(looking)
    looking.settle()

    assert complaints(looking) == []


def test_nothing_is_wrong_with_the_matrix(looking: Workbench) -> None:
    looking.choose(looking.translation, "Matrix")
    expect(looking.translation.locator(".heatmaplayer image")).to_be_visible()

    assert complaints(looking) == []


def test_nothing_is_wrong_in_any_panel(looking: Workbench) -> None:
    for title in PANELS:
        panel = looking.open_panel(title)
        assert (title, complaints(looking)) == (title, [])
        looking.page.keyboard.press("Escape")
        expect(panel).to_have_count(0)
    looking.choose_in_session_menu("Worked examples")
    expect(looking.part(PageRole.WELCOME)).to_be_visible()
    assert complaints(looking) == []


@pytest.mark.parametrize("theme", THEMES)
def test_nothing_is_wrong_before_the_first_model(come: Visit, tmp_path: Path, theme: str) -> None:
    with running_workbench("serve", tmp_path) as empty:
        workbench = come(empty, color_scheme=theme).open()
        expect(workbench.page.get_by_role("heading", name="No model here yet")).to_be_visible()

        assert list_broken(workbench.page) == []
        workbench.settle()
        workbench.leave()
