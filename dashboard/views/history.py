"""The history: a tree of answers, each what-if below the one that it changed.

The browser keeps the tree (`assets/past.js`) and draws it (`assets/history.js`, `assets/history_tree.js`). The server
says of each answer what the tree keeps of it, and holds nothing of its own.
"""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboard.drawing.attributes import wild
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState
from dashboard.state.session import MAX_MOMENTS, MAX_NAME, MAX_NOTE
from dashboard.views import sessions
from dashboard.views.ids import HistoryRole, as_role
from dashboard.views.parts import Parts, html_part
from dashboard.views.shown import Shown
from exported_models.wording import describe_change, describe_source

_DECIMALS = 5


def layout() -> Component:
    """The strip at the bottom, and the drawer with the whole tree above it."""
    limit = wild(data_most=str(MAX_MOMENTS))
    strip = html.Div(className="history-strip", role="list", **(as_role(HistoryRole.STRIP) | limit))
    pin = html.Button(
        "Pin",
        className="quiet pin",
        title="Keep this answer and compare others with it (p)",
        **(as_role(HistoryRole.PIN) | wild(data_wish='{"verb":"pin"}', aria_pressed="false")),
    )
    tree = html.Button(
        "Tree",
        className="quiet tree-toggle",
        title="The whole history as a tree (h)",
        **(as_role(HistoryRole.TOGGLE) | wild(aria_expanded="false")),
    )
    row = [html.H2("History"), strip, html.Span(className="fill"), tree, sessions.layout_menu(), pin]
    return html.Footer([*row, sessions.layout_guide(), _drawer()], className="history", **wild(data_frame="yes"))


def _drawer() -> Component:
    """The tree, filled in the browser; it covers the views, so that nothing shifts."""
    close = html.Button("Close", className="quiet", title="Close the tree (h, Esc)", **as_role(HistoryRole.CLOSE))
    restore = html.Button("Bring back", className="quiet", hidden=True, **as_role(HistoryRole.RESTORE))
    count = html.Span(className="summary", **as_role(HistoryRole.COUNT))
    title = html.H2("History as a tree", **as_role(HistoryRole.TITLE))
    head = html.Div([title, count, html.Span(className="fill"), restore, close], className="card-head")
    lengths = wild(aria_label="Answers", data_name=str(MAX_NAME), data_note=str(MAX_NOTE))
    rows = html.Div(className="history-tree", role="tree", **(as_role(HistoryRole.TREE) | lengths))
    return html.Section([head, rows], className="drawer", hidden=True, **as_role(HistoryRole.DRAWER))


def draw(shown: Shown) -> Parts:
    """The button that pins the shown answer; pressed while it is the pinned one."""
    pinned = shown.state.pinned == shown.state.bare
    return {HistoryRole.PIN: html_part("Pinned" if pinned else "Pin", aria_pressed="true" if pinned else "false")}


def remember(services: Services, before: PageState | None, state: PageState, label: str = "") -> list[Json]:
    """The moments of the history for the shown answer and, before it, for a pinned one.

    Args:
        before: the state that was shown before; None at first.
        label: what the wish changed; empty where the requests before and after say it.
    """
    origin = before or state.pinned
    shown = _keep(services, state.bare, label or _describe(services, origin, state))
    if state.pinned is None or not state.compares:
        return [shown]
    return [_keep(services, state.pinned, describe_source(state.pinned.request.source)), shown]


def _describe(services: Services, before: PageState | None, state: PageState) -> str:
    after = services.trace(state.request)
    if before is None:
        return describe_source(after.request.source)
    text = services.token_text(state.request.model_id)
    return describe_change(*services.chosen(before), after, text)


def _keep(services: Services, state: PageState, label: str) -> Json:
    """One moment: the answer's state, its name, and enough of the answer to tell it from others."""
    trace, hypothesis = services.chosen(state)
    return {
        "state": state.to_json(),
        "label": label,
        "text": hypothesis.text,
        "score": round(hypothesis.normalized, _DECIMALS),
        "length_penalty": trace.request.length_penalty,
        "model_hash": trace.model_hash,
    }
