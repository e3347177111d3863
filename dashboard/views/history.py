"""The history: every what-if, to go back to. `assets/history.js` draws the strip from the labels."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.services import Services
from dashboard.state.page_state import PageState
from dashboard.state.past import Past
from dashboard.views.ids import HistoryRole, as_role
from dashboard.views.parts import Parts, html_part
from dashboard.views.shown import Shown
from exported_models.wording import describe_change, describe_source


def layout() -> Component:
    """The strip at the bottom."""
    strip = html.Div(className="history-strip", role="list", **as_role(HistoryRole.STRIP), **wild(data_verb="revisit"))
    pin = html.Button(
        "Pin",
        className="quiet pin",
        title="Keep this answer and compare others with it (p)",
        **(as_role(HistoryRole.PIN) | wild(data_wish='{"verb":"pin"}', aria_pressed="false")),
    )
    return html.Footer(
        [html.H2("History"), strip, html.Span(className="fill"), pin], className="history", **wild(data_frame="yes")
    )


def draw(shown: Shown) -> Parts:
    """The button that pins the shown answer; pressed while it is the pinned one."""
    pinned = shown.state.pinned == shown.state.bare
    return {HistoryRole.PIN: html_part("Pinned" if pinned else "Pin", aria_pressed="true" if pinned else "false")}


def extend(services: Services, past: Past, state: PageState, label: str = "") -> Past:
    """Add the shown request, named by what it changed; without a label, by how it differs from the one before."""
    after = services.trace(state.request)
    if past.now is None and state.pinned is not None:
        past = past.visit(state.pinned, describe_source(state.pinned.request.source))
    if past.now is None:
        return past.visit(state, describe_source(after.request.source))
    text = services.token_text(state.request.model_id)
    return past.visit(state, label or describe_change(*services.chosen(past.now.state), after, text))
