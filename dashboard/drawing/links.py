"""Attention as links between words: pruned to those that carry most of it, as elements of dash-cytoscape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dashboard.drawing.geometry import Column
from dashboard.drawing.palette import Theme, colors
from exported_models.contract.arrays import Floats

HEIGHT = 84
"""Pixels between the source words and the target words."""
THINNEST, THICKEST = 1.0, 12.0
BEND = {"aside": 1 / 16, "down": 11 / 32}
"""Place of the first control point, as shares of the way across and down; the second is its mirror image. The browser
bends the links of a draft by the same two numbers."""


@dataclass(frozen=True, slots=True)
class Link:
    """Attention of one target word on one source word, 0 to 1."""

    source: int
    target: int
    weight: float


def pick_attention(attention: Floats, layer: int | None, head: int | None) -> Floats:
    """[target, source] of one layer and head, or the mean over all where None. ``attention``: [T, L, A, S]."""
    layers = attention if layer is None else attention[:, layer : layer + 1]
    heads = layers if head is None else layers[:, :, head : head + 1]
    mean: Floats = heads.mean(axis=(1, 2), dtype=np.float32)
    return mean


def prune(attention: Floats, mass: float) -> tuple[Link, ...]:
    """For each target word the fewest source words that carry ``mass`` (0 to 1) of its attention. [T, S] in."""
    links = []
    for target, row in enumerate(attention):
        order = np.argsort(-row, kind="stable")
        before = np.concatenate(([0.0], np.cumsum(row[order], dtype=np.float64)[:-1]))
        # The tolerance keeps rounding errors from adding a word without attention.
        needed = order[before < mass * float(row.sum(dtype=np.float64)) - 1e-9]
        links += [Link(int(source), target, float(row[source])) for source in needed]
    return tuple(links)


def link_elements(
    links: Sequence[Link], sources: Sequence[Column], targets: Sequence[Column], overridden: frozenset[int]
) -> list[dict[str, Any]]:
    """Cytoscape elements; the ends stand exactly under and over the middle of their words."""
    ends = [_end(f"s{index}", column.center, 0) for index, column in enumerate(sources)]
    ends += [_end(f"t{index}", column.center, HEIGHT) for index, column in enumerate(targets)]
    return ends + [_edge(link, sources, targets, link.target in overridden) for link in links]


def link_stylesheet(theme: Theme) -> list[dict[str, Any]]:
    """Cytoscape styles of the links."""
    color = colors(theme)
    return [
        {"selector": "node", "style": {"width": 1, "height": 1, "opacity": 0, "events": "no"}},
        {"selector": "edge", "style": _curve(color["link"])},
        {"selector": "edge.forced", "style": {"line-style": "dashed"}},
        {"selector": "edge.dim", "style": {"opacity": 0.12}},
        {"selector": "edge.lit", "style": {"line-color": color["hot"], "opacity": 0.85, "z-index": 9}},
        {"selector": "edge.draft", "style": {"line-color": color["acc"], "opacity": 0.8, "z-index": 8}},
        {"selector": "edge.off", "style": {"display": "none"}},
    ]


def curve_data(dx: float, height: float) -> dict[str, list[float]]:
    """Two control points of an S with upright ends: distances from the straight line (``d``), weights along it (``c``).

    Cytoscape joins quadratic curves. These two are the nearest to the cubic curve whose handles end half-way down.
    """
    length_squared = dx * dx + height * height
    aside, down = BEND["aside"], BEND["down"]
    across = (down - aside) * dx * height / length_squared**0.5
    along = (aside * dx * dx + down * height * height) / length_squared
    return {"d": [round(across), round(-across)], "c": [round(along, 3), round(1 - along, 3)]}


def _curve(color: str) -> dict[str, Any]:
    return {
        "width": f"mapData(w, 0, 100, {THINNEST}, {THICKEST})",
        "line-color": color,
        "opacity": 0.45,
        "curve-style": "unbundled-bezier",
        "edge-distances": "node-position",
        "control-point-distances": "data(d)",
        "control-point-weights": "data(c)",
    }


def _end(name: str, x: float, y: float) -> dict[str, Any]:
    return {"data": {"id": name}, "position": {"x": round(x, 1), "y": y}}


def _edge(link: Link, sources: Sequence[Column], targets: Sequence[Column], forced: bool) -> dict[str, Any]:
    bend = curve_data(targets[link.target].center - sources[link.source].center, HEIGHT)
    ends = {"id": f"{link.source}-{link.target}", "source": f"s{link.source}", "target": f"t{link.target}"}
    # Always given: the component keeps the old classes of an element whose new data have none.
    return {"data": {**ends, "w": round(100 * link.weight), **bend}, "classes": "forced" if forced else ""}
