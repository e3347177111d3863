"""A beam tree: the nodes and edges that Cytoscape draws on the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dashboard.drawing.svg.document import Drawing, box, group, path, text
from dashboard.drawing.tree_layout import LABEL_SIZE

HEIGHT = 17.0
PADDING = 3.0
"""Height of a node, and pixels around its label; those of `dashboard.drawing.tree_graph`."""
BELOW = 16.0
"""Pixels for the percent under the lowest edge."""

Element = Mapping[str, Any]


def draw_graph(elements: Sequence[Element], palette: Mapping[str, str], title: str) -> Drawing:
    """The drawing of the elements that `tree_graph.tree_elements` or `tree_overlay.draw_overlay` gave."""
    nodes = {one["data"]["id"]: one for one in elements if "position" in one}
    edges = [one for one in elements if "position" not in one]
    right = max(_half_width(node) + node["position"]["x"] for node in nodes.values())
    left = min(node["position"]["x"] - _half_width(node) for node in nodes.values())
    low = min(node["position"]["y"] for node in nodes.values()) - HEIGHT / 2 - PADDING
    high = max(node["position"]["y"] for node in nodes.values()) + HEIGHT / 2 + BELOW
    marks = [mark for edge in edges for mark in _draw_edge(edge, nodes, palette)]
    marks += [mark for node in nodes.values() for mark in _draw_node(node, palette)]
    return Drawing(title, right - left, high - low, (group(marks, x=-left, y=-low),))


def _half_width(node: Element) -> float:
    return float(node["data"]["w"]) / 2 + PADDING


def _draw_node(node: Element, palette: Mapping[str, str]) -> Iterator[str]:
    kinds, (x, y) = node["classes"].split(), (node["position"]["x"], node["position"]["y"])
    if "group" in kinds:
        half = _half_width(node)
        yield box(x - half, y - HEIGHT / 2, 2 * half, HEIGHT, palette["soft"], round=5)
    bold = not {"best", "rival"}.isdisjoint(kinds)
    ink = _tone(kinds, palette) or palette["mute" if {"pruned", "group"} & set(kinds) else "ink"]
    label = node["data"]["label"]
    yield text(x, y + 4, label, LABEL_SIZE, ink, anchor="middle", weight=600 if bold else 400, halo=palette["card"])


def _draw_edge(edge: Element, nodes: Mapping[str, Element], palette: Mapping[str, str]) -> Iterator[str]:
    data, kinds = edge["data"], edge["classes"].split()
    start, end = nodes[data["source"]], nodes[data["target"]]
    x1, y1 = start["position"]["x"] + _half_width(start), start["position"]["y"]
    x2, y2 = end["position"]["x"] - _half_width(end), end["position"]["y"]
    middle = (x1 + x2) / 2
    d = f"M{x1:g},{y1:g} C{middle:g},{y1:g} {middle:g},{y2:g} {x2:g},{y2:g}"
    strong = not {"best", "rival"}.isdisjoint(kinds)
    stroke = _tone(kinds, palette) or palette["barch" if "best" in kinds else "link"]
    dash = "2 3" if {"pruned", "group"} & set(kinds) else ""
    width = 1 + (5 if strong else 3) * data["p"] / 100
    yield path(d, stroke, width, opacity=1 if strong else 0.6, dash=dash)
    if "group" not in kinds:
        yield text(
            x2 - 2, y2 + 15, str(data.get("q", data["p"])), 10, palette["mute"], anchor="end", halo=palette["card"]
        )


def _tone(kinds: Sequence[str], palette: Mapping[str, str]) -> str:
    """The color of a side that alone holds a prefix; empty for other prefixes."""
    return palette["pivot"] if "before" in kinds else palette["cmp"] if "after" in kinds else ""
