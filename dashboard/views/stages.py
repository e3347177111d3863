"""The strip of five stages: the analyst's checklist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash
from dash import Input, Output, dcc, html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.drawing.findings import (
    Finding,
    find_attention,
    find_decoder,
    find_encoder,
    find_prediction,
    find_search,
)
from dashboard.drawing.picture import Picture, read_picker
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState
from dashboard.views.browser import run_in_browser
from dashboard.views.ids import PageId, StagesId, TranslationId
from exported_models.contract.manifest import DECODER_SPACE, ENCODER_SPACE
from state_store.neighborhood import TokenEvidence

NAMES = ("Encoder", "Decoder", "Attention", "Prediction", "Search")
NO_INDEX = Finding("no index to compare with", None)


def layout() -> Component:
    """Five buttons; each says what was found once there is a translation."""
    buttons = [_stage_button(number, name) for number, name in enumerate(NAMES, 1)]
    return html.Nav(
        [*buttons, dcc.Store(id=StagesId.CHOICE)],
        id=StagesId.STRIP,
        className="stages",
        **wild(aria_label="Stages", data_send=StagesId.CHOICE),
    )


def finding_id(number: int) -> str:
    """Id of the sentence of a stage, counted from 1."""
    return f"{StagesId.SENTENCES}-{number}"


def register(app: dash.Dash, services: Services) -> None:
    """What the states say takes longer than what the trace says, so it comes on its own."""

    @app.callback(
        *(Output(finding_id(number), "children") for number in (1, 2)),
        Input(PageId.REQUEST, "data"),
        prevent_initial_call=True,
    )
    def show_states(shown: Json) -> tuple[Component, ...]:
        found = find_in_states(services, PageState.from_json(shown))
        return tuple(draw_finding(number, finding) for number, finding in enumerate(found, 1))

    @app.callback(
        *(Output(finding_id(number), "children") for number in (3, 4, 5)),
        Input(PageId.REQUEST, "data"),
        Input(TranslationId.MASS, "value"),
        Input(TranslationId.LAYER, "value"),
        Input(TranslationId.HEAD, "value"),
        prevent_initial_call=True,
    )
    def show_trace(shown: Json | None, mass: Any, layer: int | str, head: int | str) -> tuple[Component, ...]:
        if not shown:
            raise dash.exceptions.PreventUpdate
        picture = services.picture(PageState.from_json(shown))
        found = find_in_trace(picture, float(mass) / 100, read_picker(layer), read_picker(head))
        return tuple(draw_finding(number, finding) for number, finding in enumerate(found, 3))

    run_in_browser(
        app,
        "chooseStage",
        Output(PageId.STAGE, "data"),
        Input(StagesId.CHOICE, "data"),
        at_start=False,
    )


def find_in_states(services: Services, state: PageState) -> tuple[Finding, Finding]:
    """Stages 1 and 2: whether the nearest training states are of the same words; a store need not hold both spaces."""
    own, agreeing = (_evidence(services, state, space) for space in (ENCODER_SPACE, DECODER_SPACE))
    return (
        NO_INDEX if own is None else find_encoder(_count_at_home(own), len(own)),
        NO_INDEX if agreeing is None else find_decoder(_count_at_home(agreeing), len(agreeing)),
    )


def find_in_trace(picture: Picture, mass: float, layer: int | None, head: int | None) -> tuple[Finding, ...]:
    """Stages 3 to 5."""
    trace, hypothesis = picture.trace, picture.hypothesis
    return (
        find_attention(picture.attention(layer, head), mass, len(picture.overridden), len(trace.request.ablations)),
        find_prediction(trace, hypothesis, picture.target_text),
        find_search(trace, hypothesis),
    )


def draw_finding(number: int, finding: Finding) -> Component:
    """The mark of a stage and its sentence."""
    kind = {True: "look", False: "fine", None: "unknown"}[finding.look]
    spoken = {True: "deserves a look", False: "looks fine", None: "nothing to judge"}[finding.look]
    mark = html.Span(number, className=f"mark {kind}", title=spoken)
    return html.Span(
        [mark, html.Span(finding.sentence, className="sentence")], className="finding", title=finding.sentence
    )


def _evidence(services: Services, state: PageState, space: str) -> tuple[TokenEvidence, ...] | None:
    """What the neighbor list shows of a space; None where it is not indexed."""
    store, _ = services.store_or_reason(state.request.model_id)
    if store is None or space not in store.manifest.space_names:
        return None
    trace, hypothesis = services.chosen(state)
    return services.neighborhoods.evidence(store, trace, trace.hypotheses.index(hypothesis), space)


def _count_at_home(evidence: Sequence[TokenEvidence]) -> int:
    """How many tokens are also those of most of their nearest training states."""
    return sum(token.agreement > 1 / 2 for token in evidence)


def _stage_button(number: int, name: str) -> Component:
    waiting = html.Span(
        [html.Span(number, className="mark unknown"), html.Span("…", className="sentence")], className="finding"
    )
    return html.Button(
        [html.Span(name, className="stage-name"), html.Span(waiting, id=finding_id(number))],
        className="stage",
        **wild(data_value=str(number), aria_pressed="false"),
    )
