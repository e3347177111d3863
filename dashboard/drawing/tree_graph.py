"""The beam tree as elements and styles of dash-cytoscape."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from dashboard.drawing.links import curve_data
from dashboard.drawing.palette import Theme, colors
from dashboard.drawing.tree_layout import LABEL_SIZE, Kind, PlacedTwig

FONT = "Inter, system-ui, sans-serif"
_CLASSES: Mapping[Kind, str] = {"best": "best", "kept": "", "beside": "beside", "pruned": "pruned", "group": "group"}


def tree_elements(placed: Sequence[PlacedTwig]) -> list[dict[str, Any]]:
    """Nodes with their labels; the edge that leads to a node carries the percent drawn under it.

    ``t`` is the depth of a node: the browser walks the nodes of one depth without following their edges.
    """
    by_key = {entry.twig.key: entry for entry in placed}
    nodes = [_node(entry) for entry in placed]
    return nodes + [_edge(by_key[entry.twig.parent], entry) for entry in placed if entry.twig.parent]


def tree_stylesheet(theme: Theme) -> list[dict[str, Any]]:
    """Cytoscape styles of the tree."""
    color = colors(theme)
    return [
        {"selector": "node", "style": _node_style(color["ink"])},
        {"selector": "node.best", "style": {"font-weight": 600}},
        {"selector": "node.pruned", "style": {"color": color["mute"]}},
        {"selector": "edge", "style": _edge_style(color["link"], color["mute"])},
        {"selector": "edge.bent", "style": _bent_style()},
        {"selector": "edge.best", "style": _best_style(color["barch"])},
        {"selector": "edge.pruned", "style": {"line-style": "dotted"}},
        {"selector": "node.beside", "style": {"color": color["acc"]}},
        {"selector": "edge.beside", "style": _beside_style(color["acc"])},
        {"selector": "node.group", "style": _group_style(color["soft"], color["mute"])},
        {"selector": "edge.group", "style": {"line-style": "dotted", "width": 1, "target-label": ""}},
        *_overlay_styles(color),
        {"selector": "node.cursor", "style": {"border-width": 1.5, "border-color": color["acc"]}},
        {"selector": "node.lit", "style": {"color": color["hot"]}},
    ]


def _overlay_styles(color: Mapping[str, str]) -> list[dict[str, Any]]:
    """Colors of two trees in one drawing; ``q`` is the percent of both sides."""
    return [
        *({"selector": f"edge.{found}", "style": {"target-label": "data(q)"}} for found in ("both", "before", "after")),
        *(
            {"selector": f"{kind}.{found}", "style": {name: color[tone]}}
            for found, tone in (("before", "pivot"), ("after", "cmp"))
            for kind, name in (("edge", "line-color"), ("node", "color"))
        ),
        {"selector": "edge.rival", "style": {"line-opacity": 1, "width": "mapData(p, 0, 100, 1, 6)"}},
        {"selector": "node.rival", "style": {"font-weight": 600}},
    ]


def _node(entry: PlacedTwig) -> dict[str, Any]:
    twig = entry.twig
    return {
        "data": {"id": twig.key, "label": twig.label, "w": round(entry.width), "t": twig.depth},
        "position": {"x": round(entry.left + entry.width / 2), "y": round(entry.y)},
        # Always given: the component keeps the old classes of an element whose new data have none.
        "classes": _CLASSES[twig.kind],
    }


def _edge(parent: PlacedTwig, child: PlacedTwig) -> dict[str, Any]:
    twig = child.twig
    share = round(100 * math.exp(twig.log_prob))
    data: dict[str, Any] = {"id": f"e{twig.key}", "source": twig.parent, "target": twig.key, "p": share}
    if parent.y == child.y:
        return {"data": data, "classes": _CLASSES[twig.kind]}
    # The curve runs sideways: down in `curve_data` is right here, so the bend changes its sign.
    bend = curve_data(parent.y - child.y, child.left - parent.left - parent.width)
    return {"data": data | bend, "classes": f"bent {_CLASSES[twig.kind]}"}


def _node_style(ink: str) -> dict[str, Any]:
    return {
        "shape": "round-rectangle", "width": "data(w)", "height": 17, "padding": "3px", "background-opacity": 0,
        "label": "data(label)", "font-family": FONT, "font-size": LABEL_SIZE, "color": ink, "text-valign": "center",
        "text-halign": "center", "overlay-opacity": 0,
    }  # fmt: skip


def _edge_style(link: str, mute: str) -> dict[str, Any]:
    return {
        "width": "mapData(p, 0, 100, 1, 4)", "line-color": link, "line-opacity": 0.6, "curve-style": "straight",
        "source-endpoint": "90deg", "target-endpoint": "270deg", "events": "no",
        "target-label": "data(p)", "target-text-offset": 1, "target-text-margin-x": 10,
        "target-text-margin-y": 13, "font-family": FONT, "font-size": 10, "color": mute,
    }  # fmt: skip


def _group_style(fill: str, ink: str) -> dict[str, Any]:
    return {"background-color": fill, "background-opacity": 1, "color": ink, "font-size": 11, "height": 13}


def _best_style(bar: str) -> dict[str, Any]:
    return {"line-color": bar, "line-opacity": 1, "width": "mapData(p, 0, 100, 1, 6)"}


def _beside_style(accent: str) -> dict[str, Any]:
    return {"line-style": "dashed", "line-color": accent, "line-opacity": 1, "width": "mapData(p, 0, 100, 1, 2)"}


def _bent_style() -> dict[str, Any]:
    return {
        "curve-style": "unbundled-bezier",
        "edge-distances": "endpoints",
        "control-point-distances": "data(d)",
        "control-point-weights": "data(c)",
    }
