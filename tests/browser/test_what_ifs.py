"""Many what-ifs from the page: tried, shown under the words, applied by a click; and attention found for a word."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.workbench import Workbench

HAS_TRIED = "() => !window.beamscope.isTrying()"


def test_many_what_ifs_are_tried_and_one_is_applied(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    workbench.settle()
    workbench.page.keyboard.press("w")
    panel = workbench.page.get_by_role("dialog", name="Many what-ifs")

    panel.get_by_role("button", name="Other words").click()

    expect(panel.get_by_role("status")).to_have_text(re.compile("what-ifs change the words"))
    rows = panel.locator(".trial-row")
    expect(rows.first).to_contain_text("100 %")
    expect(workbench.words("target").nth(3)).to_have_attribute("data-heat", re.compile("[0-9]+"))
    text = rows.first.locator(".trial-text").inner_text()
    rows.first.click()
    workbench.expect_target(text)
    expect(workbench.words("target").nth(3)).not_to_have_attribute("data-heat", re.compile("[0-9]+"))

    workbench.click_button("Undo")
    workbench.expect_target("2005-03-04")
    expect(rows.first).to_contain_text("100 %")
    panel.get_by_role("button", name="Sweep the search").click()
    workbench.page.wait_for_function(HAS_TRIED)
    panel.get_by_role("button", name="A at beam 1, length penalty 2", exact=True).click()
    expect(workbench.moments().last).to_contain_text("beam 1")
    panel.get_by_role("button", name="Close").click()
    expect(panel).to_be_hidden()


def test_attention_is_found_for_a_word_of_the_top_k(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    workbench.settle()
    wanted = workbench.top_k(6).nth(1).inner_text()
    workbench.page.keyboard.press("w")
    panel = workbench.page.get_by_role("dialog", name="Many what-ifs")
    status = panel.get_by_role("status")

    panel.get_by_role("button", name="Attention for…").click()
    expect(status).to_have_text("Choose a word of the target first.")
    workbench.words("target").nth(6).click()
    panel.get_by_role("button", name="Attention for…").click()
    panel.get_by_role("group", name="What was found").get_by_role("button", name=wanted, exact=True).click()

    expect(status).to_have_text(re.compile("is the most probable word with attention on .* applied"))
    expect(workbench.moments().last).to_contain_text("7: attention")
    expect(workbench.top_k(6).first).to_have_text(re.compile(f"^{wanted}"))
