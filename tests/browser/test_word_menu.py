"""The menu of a word: another word in its place, words that are forbidden, whole texts that are edited."""

from __future__ import annotations

from playwright.sync_api import expect

from dashboard.views.ids import ChangesRole, ComparisonRole
from tests.browser.workbench import END, Workbench


def test_a_suggested_word_is_written_by_keys_alone(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    keyboard = workbench.page.keyboard
    word = workbench.words("source").nth(1)

    word.focus()
    keyboard.press("Enter")
    keyboard.press("Enter")
    menu = workbench.word_menu()
    field = menu.get_by_role("combobox", name="Another word")
    expect(field).to_have_value("03/04/05")
    expect(menu).to_contain_text("300 sentence pairs")
    keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(word).to_be_focused()

    keyboard.press("e")
    suggested = menu.get_by_role("table").get_by_role("button")
    suggested.first.focus()
    keyboard.press("ArrowDown")
    expect(suggested.nth(1)).to_be_focused()
    text = suggested.nth(1).inner_text()
    keyboard.press("Enter")

    expect(workbench.part(ChangesRole.CONTENT)).to_contain_text("Source:")
    expect(workbench.moments().last).to_have_text(f"“03/04/05” → “{text}”")
    expect(workbench.source).to_have_value(text)
    expect(menu).to_be_hidden()


def test_words_that_begin_as_typed_are_listed_and_taken_by_keys(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    workbench.words("source").nth(1).click(button="right")
    keyboard = workbench.page.keyboard
    menu = workbench.word_menu()
    field = menu.get_by_role("combobox", name="Another word")
    words = menu.get_by_role("listbox").get_by_role("option")
    expect(field).to_have_value("03/04/05")
    expect(words).to_have_count(0)

    field.fill("mar")
    expect(words.first).to_have_text("marzo")
    field.press("ArrowDown")
    expect(field).to_have_attribute("aria-activedescendant", str(words.first.get_attribute("id")))
    expect(words.first).to_have_attribute("aria-selected", "true")
    field.press("ArrowUp")
    expect(words.first).to_have_attribute("aria-selected", "false")
    expect(field).to_have_value("mar")
    keyboard.press("Escape")
    expect(words).to_have_count(0)
    expect(menu).to_be_visible()

    field.press_sequentially("z")
    expect(words.first).to_have_text("marzo")
    field.press("ArrowDown")
    field.press("Enter")
    expect(field).to_have_value("marzo")
    expect(field).to_be_focused()
    expect(words).to_have_count(0)
    keyboard.press("Enter")
    expect(workbench.moments().last).to_have_text("“03/04/05” → “marzo”")


def test_a_word_that_begins_as_typed_is_taken_by_a_click(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    workbench.words("source").nth(1).click(button="right")
    menu = workbench.word_menu()
    field = menu.get_by_role("combobox", name="Another word")
    field.fill("3 mar")
    word = menu.get_by_role("option", name="3 marzo", exact=True)
    expect(word).to_be_in_viewport(ratio=1)
    word.click()

    expect(field).to_have_value("3 marzo")
    expect(field).to_be_focused()
    expect(word).to_be_hidden()


def test_words_are_forbidden_and_allowed_again(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    workbench.words("target").nth(6).click(button="right")
    workbench.word_menu().get_by_role("button", name="Forbid “3” at step 7").click()

    expect(workbench.conditions()).to_have_text("7: without “3”×")
    expect(workbench.moments()).to_have_count(2)
    expect(workbench.words("target").nth(6)).not_to_have_text("3")

    workbench.conditions().first.click()
    expect(workbench.conditions()).to_have_count(0)
    workbench.expect_target("2005-03-04")
    expect(workbench.moments().last).to_have_text("with “3”")


def test_the_whole_target_is_scored_or_decoded_on_from_the_cursor(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    keyboard = workbench.page.keyboard
    keyboard.press("E")
    field = workbench.word_menu().get_by_role("textbox", name="The whole target")
    expect(field).to_have_value("2005-03-04")

    # What is refused stays to be corrected.
    field.fill("")
    keyboard.press("Enter")
    workbench.expect_notice("There is no target to score; type one.")
    field.fill("20 " * 5000)
    keyboard.press("Enter")
    expect(workbench.notice).to_contain_text("The target text has 15,000 characters; at most 2,000 are read at once.")
    field.fill("2005-05-05")
    keyboard.press("Enter")
    expect(workbench.part(ComparisonRole.AFTER).get_by_role("button")).to_have_text([*"2005-05-05", END])
    expect(workbench.part(ComparisonRole.BEFORE).get_by_role("button")).to_have_text([*"2005-03-04", END])
    workbench.expect_no_notice()
    workbench.settle()

    keyboard.press("E")
    expect(field).to_have_value("2005-05-05")
    field.press("Home")
    for _ in range(4):
        keyboard.press("ArrowRight")
    workbench.word_menu().get_by_role("button", name="Decode on from the cursor").click()
    expect(workbench.conditions()).to_have_text("first 4 tokens forced, to “5”×")
    expect(workbench.moments()).to_have_count(3)


def test_a_search_is_changed_in_its_panel_and_an_empty_source_loses_nothing(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    panel = workbench.open_panel("More search settings")
    length = panel.get_by_label("at most")
    length.fill("6")
    length.press("Enter")
    expect(workbench.words("target")).to_have_count(6)
    expect(workbench.moments().last).to_have_text("length at most 6")
    panel.get_by_role("radio", name="full beam").check()
    expect(workbench.moments().last).to_have_text("early stopping first")
    panel.get_by_role("button", name="The model's own settings").click()
    workbench.expect_target("2005-03-04")
    workbench.settle()
    workbench.page.keyboard.press("Escape")

    workbench.words("source").nth(1).click(button="right")
    workbench.word_menu().get_by_role("button", name="Leave it out").click()
    workbench.expect_notice("The source text is empty; type at least one character.")
    workbench.expect_target("2005-03-04")
    expect(workbench.word_menu()).to_be_visible()
