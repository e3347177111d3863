"""Forcing a path in the beam tree, by mouse and by keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from dashboard.state.page_state import PageState
from exported_models.contract.request import Request
from tests.browser.conftest import AMBIGUOUS, Visit
from tests.browser.workbench import END, TreeNode, Workbench

LONG_PREFIX = tuple("2005-03-04" * 6)
LEGIBLE = 8.0
"""Pixels of the smallest text that is read without effort."""

LABEL_PIXELS = """() => {
  const cy = window.beamscope.graph('tree-graph');
  return cy.zoom() * parseFloat(cy.nodes('.best')[0].style('font-size'));
}"""


def other_paths(nodes: list[TreeNode]) -> list[TreeNode]:
    """Prefixes off the chosen translation that can be clicked, the longest first."""
    reachable = [node for node in nodes if node.inside and not node.best and node.path[-1] != END]
    return sorted(reachable, key=lambda node: -len(node.path))


def test_a_click_on_a_prefix_forces_its_path(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    wanted = other_paths(workbench.tree_nodes())[0]

    workbench.click_node(wanted)

    workbench.expect_target_begins(wanted.path)
    expect(workbench.moments()).to_have_count(2)
    forced = [node.path for node in workbench.tree_nodes() if node.best and node.path]
    assert wanted.path in forced


def test_a_path_is_walked_and_forced_with_the_keyboard(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    workbench.tree_nodes()
    drawing = workbench.tree.get_by_role("application")
    spoken = workbench.tree.get_by_role("status")

    drawing.focus()
    drawing.press("ArrowRight")
    expect(spoken).to_have_text(re.compile(r"^2, \d+ percent, in the chosen translation$"))
    for _ in "005-03":
        drawing.press("ArrowRight")
    expect(spoken).to_have_text(re.compile(r"^3, \d+ percent, in the chosen translation$"))
    drawing.press("ArrowDown")
    expect(spoken).to_have_text(re.compile(r"^\d, \d+ percent$"))
    [here] = [node for node in workbench.tree_nodes() if node.cursor]
    drawing.press("Enter")

    assert (len(here.path), here.best) == (7, False)
    workbench.expect_target_begins(here.path)
    expect(workbench.moments()).to_have_count(2)


def test_pruned_branches_come_on_demand_and_can_be_forced(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    kept = len(workbench.tree_nodes())
    expect(workbench.tree).to_contain_text(re.compile(r"\d+ prefixes held · \d+ pruned"))

    workbench.choose(workbench.tree, "All")
    workbench.page.wait_for_function("(kept) => window.beamscope.graph('tree-graph').nodes().length > kept", arg=kept)
    nodes = workbench.tree_nodes()
    pruned = next(node for node in other_paths(nodes) if "." in node.key)
    workbench.click_node(pruned)

    workbench.expect_target_begins(pruned.path)


def test_a_pruned_branch_goes_on_beside_the_others_until_it_is_taken_back(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    workbench.choose(workbench.tree, "All")
    workbench.page.wait_for_function("() => window.beamscope.graph('tree-graph').nodes('.pruned').length")
    pruned = next(node for node in other_paths(workbench.tree_nodes()) if "." in node.key)
    workbench.click_node(pruned, button="right")

    step, word = len(pruned.path), pruned.path[-1]
    expect(workbench.conditions()).to_have_text(f"{step}: “{word}” beside the beam×")
    expect(workbench.tree).to_contain_text(re.compile(r"pruned · \d+ beside"))
    workbench.expect_target("2005-03-04")
    marked = [node.path for node in workbench.tree_nodes() if node.beside]
    assert marked[0] == pruned.path
    listed = workbench.open_panel("Choose another hypothesis").get_by_role("button")
    expect(listed.last).to_contain_text("beside")
    expect(listed.last).to_contain_text(re.compile(rf"The beam lost it at step {step}: “{re.escape(word)}” ranked \d+"))
    listed.last.click()
    workbench.expect_target_begins(pruned.path)

    workbench.conditions().first.click()
    expect(workbench.conditions()).to_have_count(0)
    workbench.expect_target("2005-03-04")


def test_a_word_of_the_top_k_is_kept_by_a_key(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    cell = workbench.top_k(6).nth(1)
    word = cell.inner_text()
    cell.focus()
    cell.press("k")

    expect(workbench.conditions()).to_have_text(f"7: “{word}” beside the beam×")
    workbench.expect_target("2005-03-04")


def test_the_search_is_told_in_words_too(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")

    workbench.choose(workbench.tree, "Text")
    step = workbench.tree.locator("table", has_text="Step 7")
    expect(step.locator("thead th")).to_have_text(["rank", "prefix", "next", "percent", "score", "fate"])
    expect(step).to_contain_text("kept")
    expect(step).to_contain_text("pruned: better ones filled the beam")
    word = step.locator("tr", has_text="2005-0").nth(1).locator("button")
    wanted = word.inner_text()
    word.click()

    workbench.expect_target_begins([*"2005-0", wanted])


def test_the_tree_can_be_moved_and_brought_back(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    before = workbench.tree_nodes()[0]

    workbench.page.mouse.move(before.x + 30, before.y + 120)
    workbench.page.mouse.down()
    workbench.page.mouse.move(before.x + 130, before.y + 200, steps=4)
    workbench.page.mouse.up()
    moved = workbench.tree_nodes()[0]
    assert moved.x > before.x + 50
    workbench.tree.get_by_role("button", name="Fit").click()

    assert all(node.inside for node in workbench.tree_nodes())
    workbench.expect_target("2005-03-04")


@pytest.mark.parametrize("extent", ["Kept", "All", "Text"])
def test_a_search_of_sixty_steps_is_drawn(come: Visit, address: str, extent: str) -> None:
    workbench = come(address)

    workbench.open(PageState(Request("dates", AMBIGUOUS, prefix=LONG_PREFIX)))
    workbench.choose(workbench.tree, extent)

    workbench.expect_target_begins(LONG_PREFIX)
    if extent == "Text":
        expect(workbench.tree.locator("table").nth(len(LONG_PREFIX) - 1)).to_be_visible()
    else:
        nodes = workbench.tree_nodes()
        assert len(nodes) > len(LONG_PREFIX)
        assert nodes[0].inside
        workbench.tree.get_by_role("button", name="Fit").click()
        assert workbench.page.evaluate(LABEL_PIXELS) >= LEGIBLE
        assert workbench.tree_nodes()[0].inside
        workbench.page.mouse.move(nodes[0].x, nodes[0].y)
        workbench.page.mouse.wheel(10_000, 0)
        assert max(workbench.tree_nodes(), key=lambda node: len(node.path)).inside
    workbench.expect_no_notice()
