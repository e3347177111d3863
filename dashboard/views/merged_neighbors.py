"""The neighbors of one word in two compared answers: those that stayed, came and left."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from dashboard.views.merged import Merged
from dashboard.views.scene import Scene
from state_store.neighbors import Neighbor

MOST_LISTED = 4
"""Neighbors of a group that are listed, the nearest first."""


def draw_neighbors_of_both(scene: Scene, merged: Merged, focus: int) -> list[Component]:
    """The neighbors of a word of the shown answer, beside those of the word in its column on the other side."""
    own = merged.after.neighbors[focus]
    place = find_partner(merged, focus)
    other = () if place is None else merged.before.neighbors[place]
    rows, before = {one.row for one in own}, {one.row for one in other}
    word = scene.words.show(scene.evidence[focus].token)
    stayed = [one for one in own if one.row in before]
    came = [one for one in own if one.row not in before]
    left = [one for one in other if one.row not in rows]
    groups = (("stayed", stayed, ""), ("came", came, "compare"), ("left", left, "pivot"))
    return [html.H3(f"Neighbors of “{word}”"), *(part for group in groups for part in _draw_group(*group))]


def find_partner(merged: Merged, focus: int) -> int | None:
    """The word of the pinned answer in the column of a word of the shown one, or None."""
    return next((one.before[0] for one in merged.columns if focus in one.after and one.before), None)


def _draw_group(name: str, neighbors: Sequence[Neighbor], side: str) -> list[Component]:
    items = [
        html.Li([html.Span(one.pair.target, className="text", title=one.pair.source), html.Span(f"{one.distance:.2f}")])
        for one in neighbors[:MOST_LISTED]
    ]
    return [html.P(f"{len(neighbors)} {name}", className=side), html.Ul(items)] if neighbors else []
