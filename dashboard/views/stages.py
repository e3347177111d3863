"""The strip of five stages: the analyst's checklist."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.drawing.comparison_sentences import find_changes
from dashboard.drawing.findings import (
    Finding,
    find_attention,
    find_decoder,
    find_encoder,
    find_prediction,
    find_reading,
    find_search,
)
from dashboard.drawing.picture import Picture
from dashboard.views.compared import Compared
from dashboard.views.ids import StagesRole, as_role
from dashboard.views.merged import Merged
from dashboard.views.parts import Part, Parts, attributes_part, html_part
from dashboard.views.shown import Shown, Surroundings
from state_store.neighborhood import TokenEvidence

NAMES = ("Encoder", "Decoder", "Attention", "Prediction", "Search")
NO_INDEX = Finding("no index to compare with", None)


def layout() -> Component:
    """Five buttons; each says what was found once there is a translation."""
    buttons = [_stage_button(number, name) for number, name in enumerate(NAMES, 1)]
    named = as_role(StagesRole.STRIP) | wild(aria_label="Stages", data_frame="yes")
    return html.Nav(buttons, className="stages", **named)


def draw(shown: Shown) -> Parts:
    """The sentences of stages 3 to 5, which the trace decides."""
    found = find_in_trace(shown.picture, shown.options.mass / 100, shown.layer, shown.head)
    return {sentence_role(number): _draw_sentence(number, finding) for number, finding in enumerate(found, 3)}


def draw_comparison(compared: Compared) -> Parts:
    """The sentences of all stages but the decoder's, whose states take longer."""
    before, after = compared.texts
    found = find_changes(compared.picture, before.target, after.target)
    return {
        sentence_role(number): _draw_sentence(number, finding)
        for number, finding in zip((1, 3, 4, 5), found, strict=True)
    }


def draw_states(around: Surroundings) -> Parts:
    """The sentences of stages 1 and 2, and the space of states that each stage is about."""
    found = dict(enumerate(find_in_states(around), 1))
    if around.state.compares:
        found = {2: find_merged(around.merged)}
    sentences = {sentence_role(number): _draw_sentence(number, finding) for number, finding in found.items()}
    numbers = range(1, len(NAMES) + 1)
    spaces = {button_role(number): attributes_part(data_space=around.stage_spaces.get(number)) for number in numbers}
    return {**sentences, **spaces}


def find_merged(merged: Merged | None) -> Finding:
    """Stage 2 of a comparison: how many neighbors both answers share."""
    if merged is None:
        return Finding("states are not compared", None)
    stayed, came, left = merged.counts
    return Finding(f"{stayed} stayed, {came} came, {left} left", came + left > stayed)


def sentence_role(number: int) -> str:
    """Role of the sentence of a stage, counted from 1."""
    return f"{StagesRole.SENTENCE}-{number}"


def button_role(number: int) -> str:
    """Role of the button of a stage, counted from 1."""
    return f"{StagesRole.BUTTON}-{number}"


def find_in_states(around: Surroundings) -> tuple[Finding, Finding]:
    """Stages 1 and 2: whether the nearest training states are of the same words; a store need not hold both spaces.

    Tokens that the model does not know, or did not read, are said before.
    """
    own, agreeing = around.stages[1], around.stages[2]
    return (
        find_reading(around.source) or (NO_INDEX if own is None else find_encoder(_count_at_home(own), len(own))),
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


def _draw_sentence(number: int, finding: Finding) -> Part:
    return html_part(draw_finding(number, finding))


def _count_at_home(evidence: Sequence[TokenEvidence]) -> int:
    """Count the tokens that most of their nearest training states share."""
    return sum(token.agreement > 1 / 2 for token in evidence)


def _stage_button(number: int, name: str) -> Component:
    named = as_role(button_role(number)) | wild(data_stage=str(number), aria_pressed="false")
    sentence = html.Span(className="stage-finding", **as_role(sentence_role(number)))
    return html.Button([html.Span(name, className="stage-name"), sentence], className="stage", **named)
