"""The beam tree: every prefix has a place of its own, the chosen hypothesis lies straight on top."""

import json
from itertools import pairwise

import pytest

from dashboard.drawing.tree_graph import tree_elements, tree_stylesheet
from dashboard.drawing.tree_layout import Extent, PlacedTwig, grow, place_twigs
from exported_models.contract.trace import Fate, Trace
from tests.dashboard.sentences import ENGLISH, GERMAN, LONG, TEXT, make_trace

TRACES = {
    "words": make_trace(),
    "greedy": make_trace(beam=1),
    "wide": make_trace(LONG, LONG),
    "long": make_trace(GERMAN * 10, ENGLISH * 10, beam=10),
}


def lay_out(trace: Trace, extent: Extent) -> tuple[PlacedTwig, ...]:
    return place_twigs(grow(trace, trace.best, extent, TEXT))


@pytest.mark.parametrize("name", TRACES)
@pytest.mark.parametrize("extent", ["kept", "all"])
def test_no_two_labels_overlap(name: str, extent: Extent) -> None:
    rows: dict[float, list[PlacedTwig]] = {}
    for entry in lay_out(TRACES[name], extent):
        rows.setdefault(entry.y, []).append(entry)

    for row in rows.values():
        ordered = sorted(row, key=lambda entry: entry.left)
        for one, other in pairwise(ordered):
            assert one.left + one.width < other.left


@pytest.mark.parametrize("name", TRACES)
def test_the_chosen_hypothesis_lies_on_the_first_row(name: str) -> None:
    trace = TRACES[name]

    best = [entry for entry in lay_out(trace, "all") if entry.twig.kind == "best"]

    assert {entry.y for entry in best} == {0}
    assert [entry.twig.key for entry in best] == ["0", *map(str, trace.best.nodes)]


def test_children_stand_right_of_their_prefix_and_never_above() -> None:
    placed = {entry.twig.key: entry for entry in lay_out(TRACES["words"], "all")}

    for entry in placed.values():
        if entry.twig.parent:
            parent = placed[entry.twig.parent]
            assert parent.left + parent.width < entry.left
            assert parent.y <= entry.y


def test_another_hypothesis_can_be_the_straight_one() -> None:
    trace = TRACES["words"]

    placed = place_twigs(grow(trace, trace.hypotheses[2], "kept", TEXT))

    assert [entry.twig.key for entry in placed if entry.twig.kind == "best"][1:] == [
        str(node) for node in trace.hypotheses[2].nodes
    ]


def test_pruned_candidates_are_there_on_demand() -> None:
    trace = TRACES["words"]
    pruned = sum(entry.fate is Fate.PRUNED for step in trace.steps for entry in step.candidates)

    assert len(lay_out(trace, "all")) - len(lay_out(trace, "kept")) == pruned


def test_elements_are_one_node_a_prefix_and_one_edge_to_it() -> None:
    placed = lay_out(TRACES["words"], "kept")

    elements = tree_elements(placed)

    ids = [element["data"]["id"] for element in elements]
    assert len(set(ids)) == len(ids) == 2 * len(placed) - 1
    # The component keeps the classes an element had when a new one of its id says none.
    assert all("classes" in element for element in elements)
    json.dumps(elements)


def test_both_themes_style_the_same_things() -> None:
    light, dark = ([rule["selector"] for rule in tree_stylesheet(theme)] for theme in ("light", "dark"))

    assert light == dark
