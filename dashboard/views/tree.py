"""The beam tree: every prefix the beam held, and on demand every candidate it pruned."""

from __future__ import annotations

import json
from typing import Any

from dash import html
from dash.development.base_component import Component
from dash_cytoscape import Cytoscape

from dashboard.drawing.attributes import wild
from dashboard.drawing.picture import GUTTER, Picture
from dashboard.drawing.tree_graph import tree_elements, tree_stylesheet
from dashboard.drawing.tree_layout import Extent, grow, place_twigs
from dashboard.drawing.tree_overlay import describe_overlay, draw_overlay, tabulate_overlay
from dashboard.drawing.tree_twin import tabulate_search
from dashboard.drawing.words import count
from dashboard.views import what_ifs
from dashboard.views.compared import Compared
from dashboard.views.controls import card, placeholder, segmented
from dashboard.views.ids import TreeRole, as_role
from dashboard.views.parts import Part, Parts, attributes_part, graph_part, html_part
from dashboard.views.shown import Shown
from exported_models.contract.trace import Fate, Trace


def layout(pane: str) -> Component:
    """The card; the graph is mounted once and only its elements change."""
    return card(
        TreeRole.CARD,
        "Beam tree",
        [
            segmented(
                pane, TreeRole.EXTENT, {"kept": "Kept", "all": "All", "text": "Text"}, "kept", "What the tree shows"
            ),
            html.Span(className="note", **as_role(TreeRole.SUMMARY)),
            html.Span(className="fill"),
            what_ifs.opener(),
            html.Button("Fit", className="quiet", title="Show the whole tree", **as_role(TreeRole.FIT)),
        ],
        [
            _graph(),
            html.Div(className="tree-twin", **as_role(TreeRole.TWIN)),
            html.Div(
                className="tree-twin",
                tabIndex="0",
                role="group",
                **(as_role(TreeRole.OVERLAY) | wild(aria_label="Both beam trees in words")),
            ),
            html.Div(className="spoken", role="status", **(as_role(TreeRole.CURSOR) | wild(aria_live="polite"))),
        ],
        "5",
    )


def draw(shown: Shown) -> Parts:
    """Graph or text, whichever is looked at, and the summary."""
    elements, search, summary = draw_tree(shown.picture, shown.options.extent, shown.options.room)
    drawn: dict[str, Part] = {
        TreeRole.CARD: attributes_part(data_extent=shown.options.extent),
        TreeRole.TWIN: Part({"search": search}),
        TreeRole.OVERLAY: html_part(None),
        TreeRole.SUMMARY: html_part(summary),
    }
    return drawn if search else {**drawn, TreeRole.GRAPH: graph_part(elements)}


def draw_overlaid(compared: Compared) -> Parts:
    """Both beam trees in one drawing, or as a table; where the vocabularies differ, the shown one alone."""
    found, trees, extent = compared.found, compared.found.trees, compared.shown.options.extent
    if trees is None:
        return draw(compared.shown)
    words = compared.texts[1].target
    drawn: dict[str, Part] = {
        TreeRole.CARD: attributes_part(data_extent=extent),
        TreeRole.TWIN: Part({"search": None}),
        TreeRole.SUMMARY: html_part(describe_overlay(trees)),
    }
    if extent == "text":
        return {**drawn, TreeRole.OVERLAY: html_part(tabulate_overlay(found, trees, words))}
    elements = draw_overlay(found, trees, words, compared.shown.options.room + GUTTER)
    return {**drawn, TreeRole.OVERLAY: html_part(None), TreeRole.GRAPH: graph_part(elements)}


def draw_tree(picture: Picture, extent: str, room: float) -> tuple[Any, Any, str]:
    """Graph elements, text twin and summary; of graph and twin only the one on view is sent."""
    summary = describe_tree(picture.trace)
    if extent == "text":
        return [], tabulate_search(picture), summary
    drawn: Extent = "all" if extent == "all" else "kept"
    twigs = grow(picture.trace, picture.hypothesis, drawn, picture.target_text)
    # The tree has the room of the columns and of the gutter beside them.
    return tree_elements(place_twigs(twigs, room + GUTTER)), None, summary


def describe_tree(trace: Trace) -> str:
    """Count the prefixes that the beam held and pruned, and those that kept paths have beside it."""
    pruned = sum(candidate.fate is Fate.PRUNED for step in trace.steps for candidate in step.candidates)
    beside = sum(node.beside for node in trace.nodes)
    held = f"{count(len(trace.nodes) - 1 - beside, 'prefix', 'prefixes')} held · {pruned} pruned"
    return f"{held} · {beside} beside" if beside else held


def _graph() -> Component:
    graph = Cytoscape(
        elements=[],
        stylesheet=tree_stylesheet("light"),
        layout={"name": "preset", "fit": False},
        style={"width": "100%", "height": "100%"},
        minZoom=0.1,
        maxZoom=2.5,
        autoungrabify=True,
        autounselectify=True,
        autoRefreshLayout=False,
    )
    sheets = json.dumps({"light": tree_stylesheet("light"), "dark": tree_stylesheet("dark")})
    label = "Beam tree. Arrow keys walk, Enter decodes from a prefix, k keeps it beside the others; Text lists all."
    return html.Div(
        [graph, placeholder("The prefixes the search kept will grow here.")],
        className="tree-drawing",
        tabIndex="0",
        role="application",
        **(as_role(TreeRole.GRAPH) | wild(aria_label=label, data_sheets=sheets)),
    )
