"""Changing what a target word attends to."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from dashboard.views.ids import ComparisonRole
from tests.browser.workbench import Workbench


@pytest.fixture
def changing(workbench: Workbench) -> Workbench:
    """A visitor about to change attention."""
    workbench.expect_target("2005-03-04")
    workbench.choose(workbench.translation, "Change attention")
    return workbench


def test_a_row_of_attention_is_weighed_and_applied(changing: Workbench) -> None:
    apply = changing.translation.get_by_role("button", name="Apply")
    expect(changing.translation).to_contain_text("Choose a target word, then click source words")
    expect(apply).to_be_disabled()

    changing.words("target").nth(6).click()
    expect(changing.translation).to_contain_text("“3” at step 7: click the source words it should attend to.")
    changing.words("source").nth(4).click()
    changing.words("source").nth(4).click()
    changing.words("source").nth(4).click()
    changing.words("source").nth(1).click()
    expect(changing.translation).to_contain_text("“3” at step 7 attends to “3” 25 %, “4” 75 %")
    apply.click()

    expect(changing.moments().last).to_have_text("7: attention → “4”")
    changing.expect_target_begins("2005-0")
    changing.choose(changing.translation, "Text")
    expect(changing.translation.locator("tr").nth(7).locator("td").last).to_contain_text("4 75 %")
    expect(changing.page.get_by_role("navigation", name="Stages")).to_contain_text("overrid")
    changing.expect_neighborhood()


def test_the_draft_is_drawn_while_it_is_made(changing: Workbench) -> None:
    changing.words("target").nth(6).click()
    changing.words("source").nth(4).click()
    changing.words("source").nth(1).click()

    drafted = "() => window.beamscope.graph('translation-links').edges('.draft').length === 2"
    changing.page.wait_for_function(drafted)
    expect(changing.words("source").nth(4)).to_have_attribute("data-share", "50")
    expect(changing.words("source").nth(1)).to_have_attribute("data-share", "50")


def test_several_steps_are_weighed_and_applied_at_once(
    changing: Workbench,
) -> None:
    card = changing.translation
    sliders = card.get_by_role("slider", name="Weight of")
    changing.words("target").nth(6).click()
    changing.settle()
    own = [int(slider.input_value()) for slider in sliders.all()]
    assert 90 <= sum(own) <= 110

    sliders.nth(4).press("End")
    expect(card).to_contain_text("“3” at step 7 attends to “4” 100 %")
    sliders.nth(4).press("ArrowDown")
    expect(changing.words("source").nth(4)).to_have_attribute("data-share", "100")

    changing.words("target").nth(8).click()
    card.get_by_role("button", name="Even").click()
    expect(sliders.first).to_have_value(str(round(100 / sliders.count())))
    changing.words("target").nth(9).click()
    card.get_by_label("Copy the attention of a step").select_option(label="7 3")
    expect(card).to_contain_text("“4” at step 10 attends to")
    expect(card.get_by_role("button", name="Leave out")).to_have_count(2)
    card.get_by_role("button", name="Leave out “0” at step 9").click()
    card.get_by_role("button", name="Apply 2 steps").click()

    expect(changing.moments().last).to_have_text("attention of steps 7, 10")
    expect(changing.conditions()).to_have_count(3)


def test_reset_forgets_the_draft_and_changes_nothing(changing: Workbench) -> None:
    changing.words("target").nth(6).click()
    changing.words("source").nth(4).click()
    expect(changing.translation).to_contain_text("attends to “4” 100 %")

    changing.translation.get_by_role("button", name="Reset").click()

    expect(changing.translation).to_contain_text("Choose a target word, then click source words")
    expect(changing.words("source").nth(4)).not_to_have_attribute("data-share", "100")
    expect(changing.moments()).to_have_count(1)
    changing.expect_target("2005-03-04")


def test_changing_words_again_leaves_no_draft(changing: Workbench) -> None:
    changing.words("target").nth(6).click()
    changing.words("source").nth(4).click()

    changing.choose(changing.translation, "Change words")
    expect(changing.translation.get_by_role("button", name="Apply")).to_be_hidden()
    changing.words("source").nth(4).click()

    expect(changing.words("source").nth(4)).to_have_class("picked lit")
    expect(changing.words("source").nth(4)).not_to_have_attribute("data-share", "100")


@pytest.fixture
def compared(workbench: Workbench) -> Workbench:
    """A visitor who compares a what-if with its origin."""
    workbench.expect_target("2005-03-04")
    workbench.press("p")
    workbench.top_k(6).nth(1).click()
    workbench.expect_compared("2005-03-04", "2005-09-04")
    return workbench


def test_attention_is_copied_from_the_pinned_answer_and_compared(compared: Workbench) -> None:
    card = compared.translation
    comparison = compared.part(ComparisonRole.CARD)
    compared.part(ComparisonRole.AFTER).get_by_role("button").nth(6).click(button="right")
    compared.word_menu().get_by_role("button", name="Change its attention").click()

    expect(card).to_contain_text("“9” at step 7: click the source words it should attend to.")
    expect(card.get_by_role("radio", name="Change attention")).to_be_checked()
    expect(comparison).to_be_hidden()
    compared.expect_target("2005-09-04")
    compared.expect_neighborhood()
    own = [int(slider.input_value()) for slider in card.get_by_role("slider", name="Weight of").all()]
    assert 90 <= sum(own) <= 110
    card.get_by_label("Copy the attention of a step").select_option(label="7 3")
    expect(card).to_contain_text("“9” at step 7 attends to")
    expect(card.get_by_label("Copy the attention of a step").locator("option:checked")).to_have_text("7 3")
    card.get_by_role("button", name="Apply").click()

    expect(comparison).to_be_visible()
    expect(card).to_be_hidden()
    expect(compared.moments().last).to_have_text("7: attention of step 7 of “2005-03-04”")


def test_attention_mode_returns_to_the_comparison_that_it_left(compared: Workbench) -> None:
    comparison = compared.part(ComparisonRole.CARD)
    compared.press("a")
    compared.expect_target("2005-09-04")
    expect(comparison).to_be_hidden()

    compared.press("Escape")
    compared.expect_compared("2005-03-04", "2005-09-04")
    compared.press("a")
    expect(comparison).to_be_hidden()
    compared.choose(compared.translation, "Change words")
    compared.expect_compared("2005-03-04", "2005-09-04")
    compared.press("Escape")

    compared.expect_target("2005-09-04")
    expect(comparison).to_be_hidden()
