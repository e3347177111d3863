"""Whole analyses, from a question to its answer, by what a person sees."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import expect

from beamscope.cli import command_line
from dashboard.state.page_state import PageState
from dashboard.views.ids import ChangesRole, ComparisonRole, NeighborhoodRole, SessionRole, TranslationRole
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from pipeline.export.twins import Comparison, export_twin
from pipeline.progress import SilentProgress
from scripts.running_workbench import running_workbench
from tests.browser.conftest import Visit
from tests.browser.workbench import END, LIT, Workbench

SOURCE, MISTAKE, REPAIRED = "7/4/1974", "1974-04-04", "1974-04-07"
"""The model takes the 4 as the month and then again as the day."""
DAY = 9
"""The step that writes it."""
CLOSE_CALLS = ("10/12/05", "9/6/31", "1/11/31", "5/8/31", "3/10/1999", "12.6.05", "12.10.64", "09/10/1974", "3/12/1974")
"""Two translations of each are within 0.001 a token of each other; rounding decides which of them wins."""


def test_a_search_error_is_found_and_what_was_pruned_is_decoded_on(come: Visit, address: str) -> None:
    workbench = come(address).open(PageState(Request("dates", "1/11/05", beam_size=1)))
    workbench.expect_target("2005-11-01")
    workbench.settle()
    workbench.page.keyboard.press("p")
    beam = workbench.page.get_by_role("spinbutton", name="beam")
    beam.fill("2")
    beam.press("Enter")

    changes = workbench.part(ChangesRole.CONTENT)
    expect(workbench.part(ComparisonRole.AFTER)).to_have_text(f"2005-01-11{END}")
    expect(changes).to_contain_text("“2005-11-01” became “2005-01-11”")
    expect(changes).to_contain_text("The search of pivot lost the translation of compare at step 6: “0” ranked 2")
    expect(workbench.moments().last).to_have_text("beam 2")
    expect(workbench.moments().last).to_have_attribute("data-gain", "+0.06")
    workbench.settle()

    for key in ("Escape", "Escape", "u"):
        workbench.page.keyboard.press(key)
    workbench.expect_target("2005-11-01")
    expect(workbench.part(TranslationRole.CARD)).to_be_visible()
    workbench.settle()
    workbench.choose(workbench.tree, "All")
    workbench.settle()
    pruned = next(node for node in workbench.tree_nodes() if "".join(node.path) == "2005-0")
    workbench.click_node(pruned)
    workbench.expect_target("2005-01-11")
    workbench.settle()


@pytest.fixture
def mistaken(come: Visit, address: str) -> Workbench:
    """A visitor who looks at a wrong translation."""
    workbench = come(address).open(PageState(Request("dates", SOURCE)))
    workbench.expect_target(MISTAKE)
    workbench.settle()
    return workbench


def test_a_translation_is_repaired_by_attention_and_by_a_word(mistaken: Workbench) -> None:
    page, card = mistaken.page, mistaken.translation
    page.get_by_role("button", name="Pin", exact=True).click()
    mistaken.choose(card, "Change attention")
    mistaken.words("target").nth(DAY).click()
    mistaken.words("source").first.dblclick()
    expect(card).to_contain_text("“4” at step 10 attends to “7” 100 %")
    card.get_by_role("button", name="Apply").click()
    expect_repaired_by_attention(mistaken)

    mistaken.click_button("Undo")
    mistaken.expect_target(MISTAKE)
    mistaken.choose(card, "Change words")
    mistaken.top_k(DAY).filter(has_text="7").click()
    expect_repaired_by_a_word(mistaken)

    # Both changes stand in the history, each with what it was worth.
    rows = mistaken.open_history()
    expect(rows).to_have_text([re.compile(text) for text in (SOURCE, "10: attention → “7”", "10: “4” → “7”")])
    expect(rows.nth(1)).to_contain_text("+0.0")


def test_the_same_is_repaired_with_the_keyboard_alone(come: Visit, address: str) -> None:
    workbench = come(address).open()
    expect(workbench.words("target").first).to_be_visible()
    workbench.press("Escape", "/")
    workbench.page.keyboard.type(SOURCE)
    workbench.press("Enter")
    workbench.expect_target(MISTAKE)
    workbench.settle()

    sources, targets = (workbench.part(role) for role in (TranslationRole.SOURCE_WORDS, TranslationRole.TARGET_WORDS))
    workbench.press("Escape", "p", "a")
    workbench.walk_to(workbench.words("target").nth(DAY), targets)
    workbench.press("Enter")
    workbench.walk_to(workbench.words("source").first, sources, "Shift+Tab")
    workbench.press("Enter")
    workbench.tab_to(workbench.translation.get_by_role("button", name="Apply"), "Shift+Tab")
    workbench.press("Enter")
    expect_repaired_by_attention(workbench)

    workbench.press("u")
    workbench.expect_target(MISTAKE)
    workbench.settle()
    workbench.press("a")
    down = workbench.top_k(DAY).all_text_contents().index("7")
    workbench.tab_to(workbench.top_k(0).first)
    workbench.press(*["ArrowRight"] * DAY, *["ArrowDown"] * down)
    expect(workbench.top_k(DAY).nth(down)).to_be_focused()
    workbench.press("Enter")
    expect_repaired_by_a_word(workbench)


def expect_repaired_by_attention(workbench: Workbench) -> None:
    """The repaired translation stands beside the mistake, and it is said what did it."""
    changes = workbench.expect_compared(MISTAKE, REPAIRED)
    expect(changes).to_contain_text(f"1 of 1 word differ: “{MISTAKE}” became “{REPAIRED}”.")
    expect(changes).to_contain_text("Attention moved at 1 step, most from “4 › 7” to “4”")
    expect(changes).to_contain_text("part at step 10")
    expect(workbench.moments().last).to_have_text("10: attention → “7”")


def expect_repaired_by_a_word(workbench: Workbench) -> None:
    """The same translation, by a word: the attention stays as it was."""
    changes = workbench.expect_compared(MISTAKE, REPAIRED)
    expect(changes).to_contain_text("Attention moved nowhere")
    expect(changes).to_contain_text("part at step 10")
    expect(workbench.moments().last).to_have_text("10: “4” → “7”")


def test_a_word_of_the_map_is_written_and_its_effect_is_read(come: Visit, address: str) -> None:
    workbench = come(address).open(PageState(Request("dates", "March 3, 1999")))
    workbench.expect_target("1999-03-03")
    workbench.words("source").first.click(button="right")
    menu = workbench.word_menu()
    word_map = menu.get_by_role("group", name="Words with near embeddings, as a map")
    word_map.get_by_role("button", name="May", exact=True).hover()
    expect(menu.get_by_role("row", name="May")).to_have_class(LIT)
    word_map.get_by_role("button", name="May", exact=True).click()

    # Words
    changes = workbench.expect_compared("1999-03-03", "1999-05-03")
    expect(workbench.source).to_have_value("May 3, 1999")
    expect(workbench.moments().last).to_have_text("“March” → “May”")
    expect(changes).to_contain_text("1 of 1 word differ: “1999-03-03” became “1999-05-03”.")
    expect(changes).to_contain_text("part at step 7")
    # Attention
    expect(changes).to_contain_text(re.compile(r"Attention moved at \d+ steps?, most from "))
    workbench.choose(workbench.part(ComparisonRole.CARD), "Text")
    rows = workbench.part(ComparisonRole.TWIN).get_by_role("row")
    expect(rows.nth(7)).to_contain_text(re.compile(r"^3\d+5\d+changed"))
    expect(rows.filter(has_text=re.compile(r" \d+ to \d+ %")).first).to_be_visible()
    # States
    expect(workbench.neighborhood).to_contain_text(re.compile(r"neighbors: \d+ stayed, [1-9]\d* came, [1-9]\d* left"))
    expect(workbench.part(NeighborhoodRole.OF_BOTH)).to_contain_text("Neighbors of “5”")
    workbench.settle()


@pytest.fixture
def twins(dates_workspace: Workspace, tmp_path: Path) -> Workspace:
    """The dates model, its store, and the model quantized."""
    workspace = Workspace(tmp_path / "twins")
    workspace.models_folder.mkdir(parents=True)
    (workspace.models_folder / "dates").symlink_to(dates_workspace.model_folder("dates").resolve())
    workspace.stores_folder.symlink_to(dates_workspace.stores_folder)
    sample = tmp_path / "sample.txt"
    sample.write_text("March 3, 1999\n", encoding="utf-8")
    export_twin("dates", "int8", Comparison(sample), workspace, progress=SilentProgress())
    return workspace


def test_the_sentence_that_quantization_changes_most_is_opened_at_its_split(
    come: Visit, twins: Workspace, tmp_path: Path
) -> None:
    sources, session = tmp_path / "sources.txt", tmp_path / "worst.json"
    sources.write_text("March 3, 1999\n" + "\n".join(CLOSE_CALLS), encoding="utf-8")
    asked = ("compare", "dates", "--other-model", "dates-int8", "--file", str(sources), "--session", str(session))
    outcome = CliRunner().invoke(command_line, [*asked, "--json", "--workspace", str(twins.root)])
    worst = json.loads(outcome.stdout.splitlines()[0])
    assert worst["before"]["text"] != worst["after"]["text"]

    with running_workbench("open", twins.root, str(session)) as opened:
        workbench = come(opened.partition("#")[0])
        workbench.page.goto(opened)
        changes = workbench.expect_compared(worst["before"]["text"], worst["after"]["text"])
        expect(workbench.part(SessionRole.GUIDE)).to_contain_text(f"Line {worst['line']}")
        expect(workbench.part(SessionRole.GUIDE)).to_contain_text(f"1 of {len(CLOSE_CALLS) + 1}")
        step = worst["split"]["step_before"] + 1
        expect(changes).to_contain_text(f"part at step {step}")
        for side in ("before", "after"):
            chosen = worst[side]["tokens"][step - 1]
            expect(changes.get_by_role("rowheader", name=chosen, exact=True)).to_be_visible()
        expect(workbench.neighborhood).to_contain_text("no state store")

        workbench.part(SessionRole.GUIDE).get_by_role("button", name="Next").click()
        expect(workbench.part(SessionRole.GUIDE)).to_contain_text(f"2 of {len(CLOSE_CALLS) + 1}")
        workbench.settle()
        workbench.leave()
