"""Two beam trees in one drawing: prefixes that both searches held, and those that one of them held."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.tree_graph import tree_elements
from dashboard.drawing.tree_layout import START, Kind, Twig, place_twigs
from dashboard.drawing.words import TokenText, count
from exported_models.comparison.comparison import Comparison
from exported_models.comparison.trees import Found, OverlaidNode, TreeOverlay

SPOKEN = {Found.BOTH: "both", Found.BEFORE: "only pivot", Found.AFTER: "only compare"}


def draw_overlay(found: Comparison, trees: TreeOverlay, words: TokenText, room: float) -> list[dict[str, Any]]:
    """Elements of the graph. The ids of prefixes of the search after are those of its own tree.

    Args:
        room: pixels that the columns may take.
    """
    twigs = _grow(found, trees, words)
    nodes = {twig.key: node for twig, node in zip(twigs, trees.nodes, strict=True)}
    rival = frozenset(found.before.hypothesis.nodes)
    elements = tree_elements(place_twigs(twigs, room))
    for element in elements:
        data = element["data"]
        node = nodes[data.get("target", data["id"])]
        lost = ["rival"] if node.after is None and node.before in rival else []
        element["classes"] = " ".join([element["classes"], node.found, *lost]).strip()
        if "target" in data:
            data["q"] = _say_percents(found, node)
    return elements


def describe_overlay(trees: TreeOverlay) -> str:
    """Count the prefixes of both searches and of each alone, and those of kept paths."""
    both, before, after = (trees.count(found) for found in (Found.BOTH, Found.BEFORE, Found.AFTER))
    held = f"{count(both, 'prefix', 'prefixes')} in both · {before} only pivot · {after} only compare"
    return f"{held} · {trees.beside} beside" if trees.beside else held


def tabulate_overlay(found: Comparison, trees: TreeOverlay, words: TokenText) -> Component:
    """The trees as a table: each prefix, who held it, and the percent of its last word on both sides."""
    names = ("step", "prefix", "held by", "pivot", "compare")
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in names]))
    return html.Table([head, html.Tbody(list(_rows(found, trees, words)))], className="twin")


def _rows(found: Comparison, trees: TreeOverlay, words: TokenText) -> Iterator[Component]:
    paths: list[tuple[str, ...]] = [()]
    for node in trees.nodes[1:]:
        paths.append((*paths[node.parent], words.show(node.token)))
        shares = (_percent(found, node.before, after=False), _percent(found, node.after, after=True))
        held = f"beside {SPOKEN[node.found]}" if node.beside else SPOKEN[node.found]
        cells = (str(len(paths[-1])), " ".join(paths[-1]), held, *shares)
        yield html.Tr([html.Td(cell) for cell in cells])


def _grow(found: Comparison, trees: TreeOverlay, words: TokenText) -> tuple[Twig, ...]:
    best = frozenset(found.after.hypothesis.nodes)
    twigs = [Twig("0", "", 0, START, 0.0, 0.0, "best")]
    for node in trees.nodes[1:]:
        parent = twigs[node.parent]
        held = found.before.trace.nodes[node.before or 0] if node.after is None else found.after.trace.nodes[node.after]
        shown = node.after is not None and node.after in best
        kind: Kind = "best" if shown else "beside" if node.beside else "kept"
        key = f"b{node.before}" if node.after is None else str(node.after)
        label = words.show(node.token)
        twigs.append(Twig(key, parent.key, parent.depth + 1, label, held.log_prob, held.score, kind))
    return tuple(twigs)


def _say_percents(found: Comparison, node: OverlaidNode) -> str:
    """The percent of a prefix on both sides; one where they are equal or only one side has it."""
    shares = (_percent(found, node.before, after=False), _percent(found, node.after, after=True))
    return " · ".join(dict.fromkeys(share for share in shares if share))


def _percent(found: Comparison, node: int | None, *, after: bool) -> str:
    if not node:
        return ""
    trace = (found.after if after else found.before).trace
    return str(round(100 * math.exp(trace.nodes[node].log_prob)))
