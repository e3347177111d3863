"""The n-best list: which hypothesis the page shows."""

from __future__ import annotations

import dash
from dash import Input, Output, State, dcc, html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.drawing.words import signed
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState
from dashboard.views.ids import NBestId, PageId
from exported_models.contract.trace import Trace


def layout() -> Component:
    """A menu at the end of the title line."""
    return html.Div([html.Div(id=NBestId.LIST), dcc.Store(id=NBestId.CHOICE)], className="nbest")


def register(app: dash.Dash, services: Services) -> None:
    """The list follows the request; choosing changes the hypothesis, not the request."""

    @app.callback(Output(NBestId.LIST, "children"), Input(PageId.REQUEST, "data"), prevent_initial_call=True)
    def show(shown: Json) -> Component:
        state = PageState.from_json(shown)
        return draw_list(services.trace(state.request), state.hypothesis)

    @app.callback(
        Output(PageId.REQUEST, "data", allow_duplicate=True),
        Input(NBestId.CHOICE, "data"),
        State(PageId.REQUEST, "data"),
        prevent_initial_call=True,
    )
    def choose(choice: Json, shown: Json) -> Json:
        return PageState(PageState.from_json(shown).request, int(choice["value"])).to_json()


def draw_list(trace: Trace, chosen: int) -> Component:
    """Every hypothesis with its normalized score, best first."""
    entries = [
        html.Button(
            [html.Span(hypothesis.text or "(empty)", className="text"), html.Span(signed(hypothesis.normalized))],
            className="menu-item chosen" if index == chosen else "menu-item",
            **wild(data_value=str(index), aria_pressed="true" if index == chosen else "false"),
        )
        for index, hypothesis in enumerate(trace.hypotheses)
    ]
    menu = html.Div(entries, className="menu", **wild(data_send=NBestId.CHOICE))
    summary = html.Summary(f"hypothesis {chosen + 1} of {len(trace.hypotheses)}", title="Choose another hypothesis")
    return html.Details([summary, menu], className="menu-holder")
