"""The n-best list: which hypothesis the pane shows."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.drawing.words import signed
from dashboard.views.ids import NBestRole, as_role
from dashboard.views.parts import Parts, html_part
from dashboard.views.shown import Shown
from exported_models.contract.trace import Trace


def layout() -> Component:
    """A menu at the end of the title line."""
    return html.Div(className="nbest", **as_role(NBestRole.LIST))


def draw(shown: Shown) -> Parts:
    """The list. Choosing in it changes the hypothesis, not the request."""
    return {NBestRole.LIST: html_part(draw_list(shown.picture.trace, shown.state.hypothesis))}


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
    menu = html.Div(entries, className="menu", **wild(data_verb="hypothesis"))
    summary = html.Summary(f"hypothesis {chosen + 1} of {len(trace.hypotheses)}", title="Choose another hypothesis")
    return html.Details([summary, menu], className="menu-holder")
