"""The n-best list: which hypothesis the pane shows."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.drawing.comparison_sentences import say_loss_of_beam
from dashboard.drawing.picture import Picture
from dashboard.drawing.words import signed
from dashboard.views.ids import NBestRole, as_role, control_id
from dashboard.views.mantine import popover
from dashboard.views.parts import Parts, html_part
from dashboard.views.shown import Shown
from exported_models.comparison.trees import find_lost
from exported_models.contract.trace import Hypothesis


def layout(pane: str) -> Component:
    """A button that names the hypothesis and opens the list."""
    entries = html.Div(**(as_role(NBestRole.LIST) | wild(data_verb="hypothesis")))
    name = html.Span("hypotheses", **as_role(NBestRole.NAME))
    panel = popover(control_id(pane, NBestRole.PANEL), name, [entries], title="Choose another hypothesis", side="end")
    return html.Div(panel, className="nbest")


def draw(shown: Shown) -> Parts:
    """The list. Choosing in it changes the hypothesis, not the request."""
    trace, chosen = shown.picture.trace, shown.state.hypothesis
    name: list[Component | str] = [
        html.Span("hypothesis ", className="if-wide"),
        f"{chosen + 1} of {len(trace.hypotheses)}",
    ]
    return {NBestRole.NAME: html_part(name), NBestRole.LIST: html_part(draw_list(shown.picture, chosen))}


def draw_list(picture: Picture, chosen: int) -> list[Component]:
    """Every hypothesis with its normalized score, best first; kept paths beside the n-best list at the end."""
    return [
        html.Button(
            [
                html.Span([hypothesis.text or "(empty)", *_explain(picture, hypothesis)], className="text"),
                html.Span([*_mark(hypothesis), signed(hypothesis.normalized)]),
            ],
            className="menu-item chosen" if index == chosen else "menu-item",
            **wild(data_value=str(index), aria_pressed="true" if index == chosen else "false"),
        )
        for index, hypothesis in enumerate(picture.trace.hypotheses)
    ]


def _explain(picture: Picture, hypothesis: Hypothesis) -> list[Component]:
    """Where and why the beam lost a kept path."""
    lost = find_lost(picture.trace, hypothesis) if hypothesis.beside else None
    sentence = say_loss_of_beam(lost, picture.target_text)
    return [html.Span(sentence, className="lost-note")] if sentence else []


def _mark(hypothesis: Hypothesis) -> list[Component]:
    return [html.Span("beside", className="beside-mark")] if hypothesis.beside else []
