"""The beam tree: every prefix has a place of its own, the chosen hypothesis lies straight on top."""

import json
from collections import Counter
from itertools import pairwise

import pytest

from dashboard.drawing.tree_graph import tree_elements, tree_stylesheet
from dashboard.drawing.tree_layout import MOST_PRUNED, Extent, PlacedTwig, grow, place_twigs
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


def count_pruned(trace: Trace) -> list[int]:
    """The number of pruned candidates of each step."""
    return [sum(entry.fate is Fate.PRUNED for entry in step.candidates) for step in trace.steps]


@pytest.mark.parametrize("name", TRACES)
def test_pruned_candidates_are_there_on_demand_each_or_counted(name: str) -> None:
    trace = TRACES[name]
    added = lay_out(trace, "all")[len(lay_out(trace, "kept")) :]

    shown = Counter(entry.twig.depth - 1 for entry in added if entry.twig.kind == "pruned")
    counted = {entry.twig.depth - 1: int(entry.twig.label) for entry in added if entry.twig.kind == "group"}

    assert [shown[step] + counted.get(step, 0) for step in range(len(trace.steps))] == count_pruned(trace)
    assert all(shown[step] == MOST_PRUNED for step in counted)
    assert max(shown.values(), default=0) <= MOST_PRUNED + 1
    assert len({entry.twig.key for entry in added}) == len(added)


def test_the_best_pruned_candidates_are_drawn_one_by_one() -> None:
    trace = TRACES["long"]
    placed = lay_out(trace, "all")
    ranks = [int(entry.twig.key.split(".")[1]) for entry in placed if entry.twig.key.startswith("5.")]

    pruned = [entry.rank for entry in trace.steps[5].candidates if entry.fate is Fate.PRUNED]
    assert ranks == pruned[:MOST_PRUNED]


def test_a_short_tree_spreads_over_its_room_and_never_beyond() -> None:
    twigs = grow(TRACES["greedy"], TRACES["greedy"].best, "kept", TEXT)
    tight, roomy = (place_twigs(twigs, room)[-1] for room in (0, 800))

    assert tight.left + tight.width < 600 < roomy.left + roomy.width <= 800


def test_elements_are_one_node_a_prefix_and_one_edge_to_it() -> None:
    placed = lay_out(TRACES["words"], "kept")

    elements = tree_elements(placed)

    ids = [element["data"]["id"] for element in elements]
    assert len(set(ids)) == len(ids) == 2 * len(placed) - 1
    # The component keeps the classes an element had when a new one of its id says none.
    assert all("classes" in element for element in elements)
    assert [element["data"]["t"] for element in elements[: len(placed)]] == [entry.twig.depth for entry in placed]
    json.dumps(elements)


def test_both_themes_style_the_same_things() -> None:
    light, dark = ([rule["selector"] for rule in tree_stylesheet(theme)] for theme in ("light", "dark"))

    assert light == dark
