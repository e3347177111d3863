"""Pin an answer, change it, and read both side by side."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from dashboard.state.page_state import PageState
from dashboard.views.ids import ChangesRole, ComparisonRole
from exported_models.contract.request import Request
from tests.browser.conftest import Visit
from tests.browser.workbench import END, LIT, Workbench


def test_a_what_if_beside_its_origin_by_keys_alone(workbench: Workbench, come: Visit, address: str) -> None:
    workbench.expect_target("2005-03-04")
    page = workbench.page
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Pinned")).to_be_visible()
    workbench.top_k(6).nth(1).press("Enter")

    before = workbench.part(ComparisonRole.BEFORE).get_by_role("button")
    after = workbench.part(ComparisonRole.AFTER).get_by_role("button")
    expect(before).to_have_text([*"2005-03-04", END])
    expect(after).to_have_text([*"2005-09-04", END])
    changes = workbench.part(ChangesRole.CONTENT)
    expect(changes).to_contain_text("“2005-03-04” became “2005-09-04”")
    expect(workbench.translation).to_be_hidden()

    after.nth(6).hover()
    expect(before.nth(6)).to_have_class(LIT)

    other = come(address).open(fragment=page.url.partition("#")[2])
    expect(other.part(ComparisonRole.BEFORE)).to_have_text(f"2005-03-04{END}")
    other.settle()

    page.keyboard.press("s")
    expect(before).to_have_text([*"2005-09-04", END])
    workbench.settle()
    page.keyboard.press("Escape")
    workbench.expect_target("2005-03-04")
    expect(workbench.moments()).to_have_count(2)
    workbench.expect_neighborhood()


def test_a_wide_comparison_opens_at_its_first_difference(come: Visit, address: str) -> None:
    source = "Saturday, the 14th of September 1996"
    workbench = come(address).open(PageState(Request("dates", source)))
    workbench.expect_target("1996-09-14")
    workbench.press("p")
    workbench.top_k(9).nth(1).click()

    after = workbench.part(ComparisonRole.AFTER).get_by_role("button")
    changed = after.and_(workbench.page.locator(".changed")).first
    expect(changed).to_be_in_viewport(ratio=1)
    expect(after.first).not_to_be_in_viewport()

    # From there it scrolls as a person likes, and stays where it is put when only the drawing changes.
    scroller = workbench.part(ComparisonRole.CARD).locator(".scroller")
    scroller.evaluate("(element) => { element.scrollLeft = 0; }")
    workbench.choose(workbench.part(ComparisonRole.CARD), "Moved")
    workbench.settle()
    assert scroller.evaluate("(element) => element.scrollLeft") == 0


@pytest.mark.parametrize("reference", ["5 марта 2005 г.", "2005年3月4日"], ids=["Cyrillic", "Chinese"])
def test_a_reference_in_another_script_is_shown_and_nothing_is_lost(workbench: Workbench, reference: str) -> None:
    workbench.expect_target("2005-03-04")
    workbench.press("p")
    workbench.top_k(6).nth(1).click()
    changes = workbench.expect_compared("2005-03-04", "2005-09-04")
    told = changes.inner_text()

    field = workbench.open_panel("Judge both by a reference").get_by_role("textbox", name="reference")
    field.fill(reference)
    field.press("Enter")

    expect(changes).to_contain_text(f"Reference: {reference}")
    for name in ("Pivot", "Compare"):
        line = changes.get_by_text(f"{name} against the reference: BLEU ")
        expect(line).to_have_count(1)
        expect(line).to_contain_text("chrF")
    assert changes.inner_text().startswith(told)
    workbench.expect_compared("2005-03-04", "2005-09-04")
    workbench.expect_no_notice()
    expect(field).to_have_value(reference)
    expect(workbench.moments()).to_have_count(2)

    field.fill("")
    field.press("Enter")
    expect(changes).not_to_contain_text("Reference")
    assert changes.inner_text() == told
    workbench.settle()
