"""A button beside the pickers of layer and head: decode without the attention that is shown, or with it again."""

from __future__ import annotations

import dash
from dash import Input, Output, State, html
from dash.development.base_component import Component

from dashboard.drawing.picture import read_picker
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState
from dashboard.views.ids import PageId, TranslationId
from dashboard.views.what_ifs import toggle_heads
from exported_models.contract.errors import RequestError
from exported_models.contract.request import Request

ABLATE, RESTORE = "Ablate", "Restore"


def layout() -> Component:
    """The button; there is one once a layer is picked."""
    title = "Let the attention of this layer, or of this head alone, contribute nothing"
    return html.Button(ABLATE, id=TranslationId.ABLATE, className="quiet", hidden=True, title=title)


def register(app: dash.Dash, services: Services) -> None:
    """The button says what it would do; a click makes the request."""

    @app.callback(
        Output(TranslationId.ABLATE, "children"),
        Output(TranslationId.ABLATE, "hidden"),
        Input(PageId.REQUEST, "data"),
        Input(TranslationId.LAYER, "value"),
        Input(TranslationId.HEAD, "value"),
        prevent_initial_call=True,
    )
    def offer(shown: Json | None, layer: int | str, head: int | str) -> tuple[str, bool]:
        chosen = read_picker(layer)
        if not shown or chosen is None:
            return ABLATE, True
        request = PageState.from_json(shown).request
        return describe_toggle(request, _toggle(services, request, chosen, read_picker(head))), False

    @app.callback(
        Output(PageId.REQUEST, "data", allow_duplicate=True),
        Input(TranslationId.ABLATE, "n_clicks"),
        State(PageId.REQUEST, "data"),
        State(TranslationId.LAYER, "value"),
        State(TranslationId.HEAD, "value"),
        prevent_initial_call=True,
    )
    def ablate(_clicks: int, shown: Json, layer: int | str, head: int | str) -> Json:
        chosen = read_picker(layer)
        if chosen is None:
            raise RequestError("Pick the layer whose attention is to be ablated, or one of its heads.", "ablations")
        return services.answer(_toggle(services, PageState.from_json(shown).request, chosen, read_picker(head)))


def describe_toggle(before: Request, after: Request) -> str:
    """What a click does."""
    return RESTORE if len(after.ablations) < len(before.ablations) else ABLATE


def _toggle(services: Services, request: Request, layer: int, head: int | None) -> Request:
    heads = services.engine.model(request.model_id).manifest.cross_attention_heads
    return toggle_heads(request, heads, layer, head)
