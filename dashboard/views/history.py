"""The history: every what-if, to go back to."""

from __future__ import annotations

from typing import Any

import dash
from dash import Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState
from dashboard.state.past import Past
from dashboard.views.browser import run_in_browser
from dashboard.views.ids import HistoryId, PageId
from exported_models.wording import describe_change, describe_source


def layout() -> Component:
    """The strip at the bottom."""
    return html.Footer(
        [
            html.H2("History"),
            html.Div(id=HistoryId.STRIP, className="history-strip", role="list", **wild(data_send=HistoryId.CHOICE)),
            dcc.Store(id=HistoryId.STORE),
            dcc.Store(id=HistoryId.CHOICE),
        ],
        className="history",
    )


def register(app: dash.Dash, services: Services) -> None:
    """The history follows the request; going back sets the request."""

    @app.callback(
        Output(HistoryId.STORE, "data"),
        Output(HistoryId.UNDO, "disabled"),
        Output(HistoryId.REDO, "disabled"),
        Input(PageId.REQUEST, "data"),
        State(HistoryId.STORE, "data"),
        prevent_initial_call=True,
    )
    def remember(shown: Json, stored: Json | None) -> tuple[Json, bool, bool]:
        past = extend(services, Past.from_json(stored), PageState.from_json(shown))
        return past.to_json(), past.undo_target is None, past.redo_target is None

    @app.callback(
        Output(PageId.REQUEST, "data", allow_duplicate=True),
        Input(HistoryId.CHOICE, "data"),
        Input(HistoryId.UNDO, "n_clicks"),
        Input(HistoryId.REDO, "n_clicks"),
        State(HistoryId.STORE, "data"),
        prevent_initial_call=True,
    )
    def go_back(choice: Json | None, _undo: Any, _redo: Any, stored: Json | None) -> Json:
        past = Past.from_json(stored)
        targets = {HistoryId.UNDO.value: past.undo_target, HistoryId.REDO.value: past.redo_target}
        target = targets[ctx.triggered_id] if ctx.triggered_id in targets else _pick(past, choice)
        if target is None:
            raise dash.exceptions.PreventUpdate
        return target.to_json()

    run_in_browser(
        app, "drawHistory", Output(HistoryId.STRIP, "children"), Input(HistoryId.STORE, "data"), at_start=False
    )


def extend(services: Services, past: Past, state: PageState) -> Past:
    """Add the request on the page, named by what it changed."""
    after = services.trace(state.request)
    if past.now is None:
        return past.visit(state, describe_source(after.request.source))
    text = services.token_text(state.request.model_id)
    return past.visit(state, describe_change(*services.chosen(past.now.state), after, text))


def _pick(past: Past, choice: Json | None) -> PageState | None:
    return past.moments[int(choice["value"])].state if choice else None
