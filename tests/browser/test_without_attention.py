"""The page over a model that has no attention: it says so, and offers nothing that needs it."""

from __future__ import annotations

from playwright.sync_api import expect

from dashboard.state.page_state import PageState
from dashboard.views.ids import ChangesRole, ComparisonRole, TranslationRole
from dashboard.views.translation import NO_ATTENTION
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from scripts.running_workbench import running_workbench
from tests.browser.conftest import Visit
from tests.browser.workbench import LIT, Workbench


def test_a_model_without_attention_says_so_and_decodes(come: Visit, phonemes_workspace: Workspace) -> None:
    with running_workbench("serve", phonemes_workspace.root) as address:
        workbench = come(address).open(PageState(Request("g2p", "beamscope", beam_size=3)))

        expect(workbench.translation.get_by_text(NO_ATTENTION)).to_be_visible()
        expect(workbench.page.get_by_role("button", name="Attention")).to_contain_text("this model has no attention")
        for control in (TranslationRole.MODE, TranslationRole.DRAWING, TranslationRole.MASS):
            expect(workbench.part(control)).to_be_hidden()
        workbench.page.keyboard.press("a")
        workbench.top_k(5).nth(1).click()
        expect(workbench.translation).to_contain_text("OW2")
        workbench.expect_no_notice()
        workbench.settle()

        expect_two_answers_compared(workbench)
        workbench.leave()


def expect_two_answers_compared(workbench: Workbench) -> None:
    """A what-if stands beside the pinned answer, and no attention is drawn or compared."""
    before, after = (
        workbench.part(role).get_by_role("button") for role in (ComparisonRole.BEFORE, ComparisonRole.AFTER)
    )
    pinned = workbench.read_words("target")
    word = workbench.top_k(2).nth(1).inner_text()
    workbench.press("p")
    workbench.top_k(2).nth(1).click()

    expect(after.nth(2)).to_have_text(word)
    expect(before).to_have_text(pinned)
    changes = workbench.part(ChangesRole.CONTENT)
    expect(changes).to_contain_text("part at step 3")
    expect(changes).to_contain_text("g2p has no attention, so attention is not compared.")
    expect(changes).not_to_contain_text("Attention moved")
    for drawing in (ComparisonRole.LINKS_BEFORE, ComparisonRole.LINKS_AFTER, ComparisonRole.MATRIX):
        expect(workbench.part(drawing)).to_be_hidden()
    drawings = workbench.part(ComparisonRole.DRAWING)
    expect(drawings.locator("label")).to_have_text(["Words", "Text"])
    after.first.hover()
    expect(before.first).to_have_class(LIT)
    workbench.expect_no_notice()
    workbench.settle()
