"""Translating, and looking at words, attention and alternatives."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from dashboard.state.page_state import PageState
from exported_models.contract.request import Request
from tests.browser.conftest import AMBIGUOUS, Visit
from tests.browser.workbench import END, LIT, Side, Workbench


def test_the_page_opens_with_an_example(come: Visit, address: str) -> None:
    workbench = come(address).open()

    expect(workbench.page).to_have_title("Beamscope")
    expect(workbench.words("target").last).to_have_text(END)
    expect(workbench.source).not_to_have_value("")
    expect(workbench.moments()).to_have_count(1)
    workbench.expect_neighborhood()


@pytest.mark.parametrize("by_key", [False, True], ids=["button", "enter"])
def test_a_typed_text_is_translated(workbench: Workbench, by_key: bool) -> None:
    workbench.expect_target("2005-03-04")

    workbench.translate("March 3, 1999", by_key=by_key)

    workbench.expect_target("1999-03-03")
    expect(workbench.words("source")).to_have_text([*"March␣3,␣1999", END])
    expect(workbench.moments()).to_have_text([f"“{AMBIGUOUS}”", "“March 3, 1999”"])
    workbench.expect_no_notice()


# The text in the field, and whether Plotly was asked for, at the moment at which target words are on the page.
RECORD_PAGE = """() => new MutationObserver((_, observer) => {
  if (document.querySelector('[data-role="translation-target-words"] button')) {
    window.sourceThen = document.querySelector('[data-role="header-source"] input').value;
    window.plotlyThen = Boolean(document.querySelector('script[src*="plotly.min.js"]'));
    observer.disconnect();
  }
}).observe(document, { childList: true, subtree: true })"""


def test_the_source_can_be_typed_over_as_soon_as_words_are_seen(come: Visit, address: str) -> None:
    workbench = come(address)
    workbench.page.add_init_script(f"({RECORD_PAGE})()")
    workbench.open(PageState(Request("dates", AMBIGUOUS)))
    workbench.expect_target("2005-03-04")

    assert workbench.page.evaluate("window.sourceThen") == AMBIGUOUS


def test_the_first_words_do_not_wait_for_plotly(come: Visit, address: str) -> None:
    workbench = come(address)
    workbench.page.add_init_script(f"({RECORD_PAGE})()")
    workbench.open(PageState(Request("dates", AMBIGUOUS)))
    workbench.expect_neighborhood()

    assert workbench.page.evaluate("window.plotlyThen") is False
    assert workbench.page.locator('script[src*="plotly.min.js"]').count() == 1


def test_every_stage_says_what_it_found(workbench: Workbench) -> None:
    stages = workbench.page.get_by_role("navigation", name="Stages").get_by_role("button")

    expect(stages).to_have_count(5)
    for number, name in enumerate(("Encoder", "Decoder", "Attention", "Prediction", "Search"), 1):
        expect(stages.nth(number - 1)).to_contain_text(name)
        expect(stages.nth(number - 1).locator(".sentence")).not_to_have_text("…")


def test_a_stage_brings_its_views_forward(workbench: Workbench) -> None:
    workbench.expect_neighborhood()
    encoder = workbench.page.get_by_role("navigation", name="Stages").get_by_role("button").first

    encoder.click()

    expect(encoder).to_have_attribute("aria-pressed", "true")
    expect(workbench.neighborhood.get_by_role("radio", name="Encoder")).to_be_checked()
    expect(workbench.pictograms()).to_have_count(len(AMBIGUOUS) + 1)
    drawing = workbench.tree.locator("canvas").last
    expect(drawing).to_have_css("opacity", "0.45")
    encoder.click()
    expect(encoder).to_have_attribute("aria-pressed", "false")
    expect(drawing).to_have_css("opacity", "1")


@pytest.mark.parametrize(("side", "space"), [("target", "Decoder"), ("source", "Encoder")])
def test_hovering_a_word_lights_it_in_every_view(workbench: Workbench, side: Side, space: str) -> None:
    workbench.choose(workbench.neighborhood, space)
    workbench.expect_neighborhood()
    workbench.tree_nodes()
    word = workbench.words(side).nth(2)
    dull = word.evaluate("element => getComputedStyle(element).boxShadow")
    expect(workbench.pictograms()).to_have_count(workbench.words(side).count())

    word.hover()

    expect(word).to_have_class(LIT)
    assert word.evaluate("element => getComputedStyle(element).boxShadow") != dull
    expect(workbench.pictograms().nth(2)).to_have_class(LIT)
    workbench.page.wait_for_function("() => window.beamscope.graph('translation-links').edges('.lit').length > 0")
    assert all(link[side == "target"] == 2 for link in workbench.lit_links())
    assert workbench.lit_states() == [2]
    if side == "target":
        expect(workbench.top_k(2).first.locator("..")).to_have_class(LIT)
        assert [node.path for node in workbench.tree_nodes() if node.lit] == [workbench.read_words("target")[:3]]

    workbench.page.mouse.move(700, 5)
    expect(workbench.page.locator("[data-side].lit")).to_have_count(0)
    assert (workbench.lit_links(), workbench.lit_states()) == ([], [])


def test_a_clicked_word_stays_chosen_until_it_is_let_go(workbench: Workbench) -> None:
    workbench.expect_neighborhood()
    word = workbench.words("target").nth(5)

    word.click()
    expect(workbench.neighbors).to_contain_text("step 6, before")
    expect(workbench.pictograms().nth(5)).to_have_attribute("aria-pressed", "true")
    workbench.settle()
    assert workbench.chosen_states() == [5]
    workbench.page.mouse.move(700, 5)
    expect(word).to_have_class(re.compile("picked"))

    workbench.page.keyboard.press("Escape")
    expect(word).not_to_have_class(re.compile("picked"))
    expect(workbench.neighbors).to_contain_text("closest call")


def test_a_word_of_the_top_k_is_decoded_from(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    wanted = workbench.top_k(6).nth(1).inner_text()

    workbench.top_k(6).nth(1).click()

    workbench.expect_target_begins([*"2005-0", wanted])
    expect(workbench.moments().last).to_have_text(f"7: “3” → “{wanted}”")
    expect(workbench.moments().last).to_have_attribute("aria-current", "true")
    workbench.expect_neighborhood()
    expect(workbench.pictograms().nth(6)).to_have_text(wanted)


def test_the_chosen_word_of_each_step_stands_out(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")

    for step, word in enumerate(workbench.read_words("target")):
        expect(workbench.top_k(step).and_(workbench.page.locator(".chosen"))).to_have_text(word)


def test_another_hypothesis_is_shown_whole(workbench: Workbench) -> None:
    second = workbench.open_panel("Choose another hypothesis").get_by_role("button").nth(1)
    text = second.locator(".text").inner_text()

    second.click()

    workbench.expect_target(text)
    expect(workbench.translation.get_by_text("hypothesis 2 of 5")).to_be_visible()
    expect(workbench.moments()).to_have_count(1)


def test_the_threshold_of_the_links_is_in_reach(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    workbench.choose(workbench.translation, "Text")
    first = workbench.translation.locator("tr").nth(1).locator("td").last
    expect(first).to_contain_text("%")
    workbench.choose(workbench.translation, "Links")
    count = "() => window.beamscope.graph('translation-links').edges().length"
    workbench.settle()
    pruned = workbench.page.evaluate(count)

    slider = workbench.open_panel("Which attention is drawn").get_by_role("slider", name="attention drawn")
    slider.focus()
    slider.press("End")

    expect(workbench.translation.get_by_text("100 % of attention")).to_be_visible()
    workbench.page.wait_for_function(f"(before) => ({count})() > before", arg=pruned)


def test_attention_is_also_a_matrix_and_a_text(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")

    workbench.choose(workbench.translation, "Matrix")
    expect(workbench.translation.locator(".heatmaplayer image")).to_be_visible()

    workbench.choose(workbench.translation, "Text")
    rows = workbench.translation.locator("tr")
    expect(rows).to_have_count(len("2005-03-04") + 2)
    expect(rows.first).to_have_text(re.compile("word.*percent.*attention on"))
    expect(rows.nth(1)).to_have_text(re.compile(r"^2\d+.*%$"))
