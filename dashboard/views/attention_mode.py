"""Change attention: pick a target word, weigh source words by clicking them, decode on from there.

The draft lives in the browser (`assets/attention.js`) as ``{"step": int | None, "weights": {source: clicks}}``; only
Apply sends it up.
"""

from __future__ import annotations

import dash
from dash import Input, Output, State, dcc, html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.drawing.picture import read_picker
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState
from dashboard.views.browser import run_in_browser
from dashboard.views.ids import AttentionId, PageId, TranslationId
from dashboard.views.what_ifs import apply_draft
from exported_models.contract.errors import RequestError


def layout() -> Component:
    """A line under the title, shown in attention mode only."""
    return html.Div(
        [
            html.Span(id=AttentionId.SENTENCE, className="draft", **wild(aria_live="polite")),
            html.Button("Apply", id=AttentionId.APPLY, className="primary", disabled=True),
            html.Button("Reset", id=AttentionId.RESET, className="quiet"),
            dcc.Store(id=AttentionId.DRAFT),
        ],
        id=AttentionId.PANEL,
        className="attention-panel",
        hidden=True,
    )


def register(app: dash.Dash, services: Services) -> None:
    """The browser keeps the draft; the server decodes it."""

    @app.callback(
        Output(PageId.REQUEST, "data", allow_duplicate=True),
        Input(AttentionId.APPLY, "n_clicks"),
        State(AttentionId.DRAFT, "data"),
        State(TranslationId.LAYER, "value"),
        State(TranslationId.HEAD, "value"),
        State(PageId.REQUEST, "data"),
        prevent_initial_call=True,
    )
    def apply(_clicks: int, draft: Json | None, layer: int | str, head: int | str, shown: Json) -> Json:
        trace, hypothesis = services.chosen(PageState.from_json(shown))
        step, weights = read_draft(draft)
        override = apply_draft(trace, hypothesis, step, weights, read_picker(layer), read_picker(head))
        return services.answer(override)

    run_in_browser(
        app,
        "showMode",
        Output(AttentionId.PANEL, "hidden"),
        Input(TranslationId.MODE, "value"),
        Input(AttentionId.RESET, "n_clicks"),
        Input(PageId.REQUEST, "data"),
    )


def read_draft(draft: Json | None) -> tuple[int, dict[str, float]]:
    """Step and weights of a draft.

    Raises:
        RequestError: no target word or no source word was chosen.
    """
    if not draft or draft.get("step") is None:
        raise RequestError("Choose the target word whose attention you want to change.", field="overrides")
    if not draft.get("weights"):
        raise RequestError("Click the source words that should get the attention.", field="overrides")
    return int(draft["step"]), draft["weights"]
