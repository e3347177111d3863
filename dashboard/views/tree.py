"""The beam tree: every prefix the beam held, and on demand every candidate it pruned."""

from __future__ import annotations

from typing import Any

import dash
from dash import Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash_cytoscape import Cytoscape

from dashboard.drawing.attributes import wild
from dashboard.drawing.picture import DEFAULT_ROOM, Picture
from dashboard.drawing.tree_graph import tree_elements, tree_stylesheet
from dashboard.drawing.tree_layout import Extent, grow, place_twigs
from dashboard.drawing.tree_twin import tabulate_search
from dashboard.drawing.words import count
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState
from dashboard.views.browser import run_in_browser
from dashboard.views.controls import card, placeholder, segmented
from dashboard.views.ids import PageId, TranslationId, TreeId
from dashboard.views.what_ifs import force_path
from exported_models.contract.trace import Fate, Trace


def layout() -> Component:
    """The card; the graph is mounted once and only its elements change."""
    return card(
        TreeId.CARD,
        "Beam tree",
        [
            segmented(TreeId.EXTENT, {"kept": "Kept", "all": "All", "text": "Text"}, "kept", "What the tree shows"),
            html.Span(id=TreeId.SUMMARY, className="note"),
            html.Span(className="fill"),
            html.Button("Fit", id=TreeId.FIT, className="quiet", title="Show the whole tree"),
        ],
        [_graph(), html.Div(id=TreeId.TWIN, className="tree-twin", **wild(data_send=TreeId.CHOICE)), *_stores()],
        "5",
    )


def register(app: dash.Dash, services: Services) -> None:
    """Drawing the tree and forcing a path in it."""

    @app.callback(
        Output(TreeId.GRAPH, "elements"),
        Output(TreeId.SEARCH, "data"),
        Output(TreeId.SUMMARY, "children"),
        Input(PageId.REQUEST, "data"),
        Input(TreeId.EXTENT, "value"),
        State(TranslationId.ROOM, "data"),
        prevent_initial_call=True,
    )
    def show(shown: Json | None, extent: str, room: float | None) -> tuple[Any, Any, str]:
        if not shown:
            raise dash.exceptions.PreventUpdate
        return draw_tree(services.picture(PageState.from_json(shown)), extent, room or DEFAULT_ROOM)

    @app.callback(
        Output(PageId.REQUEST, "data", allow_duplicate=True),
        Input(TreeId.CHOICE, "data"),
        State(PageId.REQUEST, "data"),
        prevent_initial_call=True,
    )
    def force(choice: Json, shown: Json) -> Json:
        trace = services.trace(PageState.from_json(shown).request)
        return services.answer(force_path(trace, choice["value"]))

    run_in_browser(
        app,
        "pickSheet",
        Output(TreeId.GRAPH, "stylesheet"),
        Input(PageId.THEME, "data"),
        State(TreeId.SHEETS, "data"),
    )
    run_in_browser(app, "fitTree", Input(TreeId.FIT, "n_clicks"), at_start=False)
    run_in_browser(app, "drawSearch", Input(TreeId.SEARCH, "data"))


def draw_tree(picture: Picture, extent: str, room: float) -> tuple[Any, Any, str]:
    """Graph elements, text twin and summary; of graph and twin only the one on view is sent."""
    summary = describe_tree(picture.trace)
    if extent == "text":
        return [], tabulate_search(picture), summary
    drawn: Extent = "all" if extent == "all" else "kept"
    twigs = grow(picture.trace, picture.hypothesis, drawn, picture.target_text)
    return tree_elements(place_twigs(twigs, room)), None, summary


def describe_tree(trace: Trace) -> str:
    """How much the beam held and gave up."""
    pruned = sum(candidate.fate is Fate.PRUNED for step in trace.steps for candidate in step.candidates)
    return f"{count(len(trace.nodes) - 1, 'prefix', 'prefixes')} held · {pruned} pruned"


def _graph() -> Component:
    graph = Cytoscape(
        id=TreeId.GRAPH,
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
    return html.Div(
        [graph, placeholder("The prefixes the search kept will grow here.")],
        className="tree-drawing",
        tabIndex="0",
        role="application",
        **wild(aria_label="Beam tree. Arrow keys walk, Enter decodes from the prefix; Text lists everything."),
    )


def _stores() -> list[Component]:
    sheets = {"light": tree_stylesheet("light"), "dark": tree_stylesheet("dark")}
    return [
        dcc.Store(id=TreeId.SHEETS, data=sheets),
        dcc.Store(id=TreeId.CHOICE),
        dcc.Store(id=TreeId.SEARCH),
        html.Div(id=TreeId.CURSOR, className="spoken", role="status", **wild(aria_live="polite")),
    ]
