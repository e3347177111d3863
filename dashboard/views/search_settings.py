"""Settings of the search besides beam size and length penalty: a panel of the header. Each change is a what-if."""

from __future__ import annotations

import json
from typing import Final

from dash import Dash, Input, dcc, html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.views.browser import run_in_browser
from dashboard.views.controls import segmented
from dashboard.views.ids import SearchRole, as_control, control_id
from dashboard.views.mantine import popover
from dashboard.views.parts import Parts, control_part
from dashboard.views.shown import Shown
from exported_models.contract.request import MAX_LENGTH_LIMIT, MAX_TOP_K
from exported_models.contract.wishes import SetSearch, write_wish

STOPPING: Final = {"estimate": "estimated best", "first": "full beam", "never": "certain best"}
"""Rules of early stopping, as Hugging Face's ``False``, ``True`` and ``"never"``."""
OWN_SETTINGS: Final = SetSearch("default", "default", "default", "default")


def layout() -> Component:
    """A button that opens the panel."""
    own = wild(data_wish=json.dumps(write_wish(OWN_SETTINGS)))
    rows = [
        _number(SearchRole.MAX_LENGTH, "at most", "tokens of a target", MAX_LENGTH_LIMIT),
        html.Div(
            [
                html.Span("stop at the"),
                segmented("", SearchRole.EARLY_STOPPING, STOPPING, "estimate", "Early stopping"),
            ],
            className="search-row",
        ),
        _number(SearchRole.TOP_K, "show the", "most probable tokens of a step", MAX_TOP_K),
        html.Button("The model's own settings", className="act", **own),
    ]
    panel = popover(
        control_id("", SearchRole.PANEL),
        "more…",
        [html.Div(rows, className="search-rows")],
        title="More search settings",
    )
    return html.Div(panel, className="search-settings")


def register(app: Dash) -> None:
    """Tell the browser's pane what the panel says."""
    controls = (SearchRole.MAX_LENGTH, SearchRole.EARLY_STOPPING, SearchRole.TOP_K)
    run_in_browser(app, "readSearch", *(Input(control, "value") for control in controls))


def draw(shown: Shown) -> Parts:
    """The settings of the request."""
    request = shown.picture.trace.request
    return {
        SearchRole.MAX_LENGTH: control_part(value=request.max_length),
        SearchRole.EARLY_STOPPING: control_part(value=request.early_stopping),
        SearchRole.TOP_K: control_part(value=request.top_k),
    }


def _number(role: SearchRole, before: str, after: str, most: int) -> Component:
    field = dcc.Input(id=control_id("", role), type="number", min=1, max=most, step=1, debounce=True)
    return html.Label(
        [html.Span(before), html.Span(field, className="search-number", **as_control("", role)), html.Span(after)],
        className="search-row",
    )
