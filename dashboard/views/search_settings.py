"""Settings of the search besides beam size and length penalty: a panel of the header. Each change is a what-if."""

from __future__ import annotations

import json
from typing import Final, Literal

from dash import Dash, Input, dcc, html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.views.browser import run_in_browser
from dashboard.views.controls import segmented
from dashboard.views.ids import SearchRole, as_control, control_id
from dashboard.views.mantine import popover
from dashboard.views.parts import Parts, control_part
from dashboard.views.shown import Shown
from exported_models.contract.request import MAX_LENGTH_LIMIT, MAX_REPETITION_PENALTY, MAX_TOP_K
from exported_models.contract.wishes import SetSearch, write_wish

STOPPING: Final = {"estimate": "estimated best", "first": "full beam", "never": "certain best"}
"""Rules of early stopping, as Hugging Face's ``False``, ``True`` and ``"never"``."""
OWN_SETTINGS: Final = SetSearch.of_model(*(name for name in SetSearch().settings if name != "top_k"))
CONTROLS: Final = {
    "max_length": SearchRole.MAX_LENGTH,
    "min_length": SearchRole.MIN_LENGTH,
    "ngram_size": SearchRole.NGRAM_SIZE,
    "source_ngram_size": SearchRole.SOURCE_NGRAM_SIZE,
    "repetition_penalty": SearchRole.REPETITION_PENALTY,
    "early_stopping": SearchRole.EARLY_STOPPING,
    "top_k": SearchRole.TOP_K,
}
"""Setting -> its control."""


def layout() -> Component:
    """A button that opens the panel."""
    own = wild(data_wish=json.dumps(write_wish(OWN_SETTINGS)))
    rows = [
        _number(SearchRole.MAX_LENGTH, "at most", "tokens of a target", 1, MAX_LENGTH_LIMIT),
        _number(SearchRole.MIN_LENGTH, "at least", "tokens of a target", 0, MAX_LENGTH_LIMIT),
        _number(SearchRole.NGRAM_SIZE, "repeat no", "tokens in a row (0: any)", 0, MAX_LENGTH_LIMIT),
        _number(SearchRole.SOURCE_NGRAM_SIZE, "copy no", "tokens in a row of the source (0: any)", 0, MAX_LENGTH_LIMIT),
        _number(
            SearchRole.REPETITION_PENALTY, "penalty", "of a repeated token (1: none)", 1, MAX_REPETITION_PENALTY, "any"
        ),
        html.Div(
            [
                html.Span("stop at the"),
                segmented("", SearchRole.EARLY_STOPPING, STOPPING, "estimate", "Early stopping"),
            ],
            className="search-row",
        ),
        _number(SearchRole.TOP_K, "show the", "most probable tokens of a step", 1, MAX_TOP_K),
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
    run_in_browser(app, "readSearch", *(Input(control, "value") for control in CONTROLS.values()))


def draw(shown: Shown) -> Parts:
    """The settings of the request."""
    request = shown.picture.trace.request
    return {role: control_part(value=getattr(request, name)) for name, role in CONTROLS.items()}


def _number(
    role: SearchRole, before: str, after: str, least: int, most: float, step: int | Literal["any"] = 1
) -> Component:
    field = dcc.Input(id=control_id("", role), type="number", min=least, max=most, step=step, debounce=True)
    return html.Label(
        [html.Span(before), html.Span(field, className="search-number", **as_control("", role)), html.Span(after)],
        className="search-row",
    )
