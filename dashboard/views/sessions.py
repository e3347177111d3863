"""Sessions: saving what a pane went through, opening it again, and the worked examples of a first visit.

The browser writes the file (`assets/sessions.js`). The server reads one that is opened: it judges a text that anybody
may have written, and names the models that are not what they were.
"""

from __future__ import annotations

import json
from typing import Final

from dash import html
from dash.development.base_component import Component
from pydantic import BaseModel, ConfigDict, Field

from dashboard.drawing.attributes import wild
from dashboard.drawing.words import count
from dashboard.errors import SessionError
from dashboard.services import Services
from dashboard.state.packing import unpack
from dashboard.state.page_state import Json
from dashboard.state.session import (
    FORMAT,
    MAX_SESSION_BYTES,
    VERSION,
    SessionDocument,
    check_size,
    read_session,
    validate_session,
)
from dashboard.state.url_state import MAX_FRAGMENT
from dashboard.views.changed_models import find_changed, say_changed, say_missing
from dashboard.views.ids import PageRole, SessionRole, as_role
from dashboard.views.mantine import popover
from dashboard.worked_examples import load_examples
from exported_models.contract.errors import shorten

SESSION: Final = "/_pane/session"
OPENED: Final = "opened"
"""Name of the session that the server was started with."""
FRAGMENT: Final = "s1."
"""Beginning of a link that holds a whole session, packed as `dashboard.state.packing` does."""


class SessionQuestion(BaseModel):
    """The session to open: one of the three.

    Attributes:
        text: content of a session file; ``size`` are its bytes, and of a file that is too large the text is left out.
        name: of a worked example, or `OPENED`.
        fragment: of a link that holds a session.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = ""
    size: int = Field(0, ge=0)
    name: str = ""
    fragment: str = ""


def open_session(services: Services, question: SessionQuestion) -> Json:
    """The session, and a sentence about models that are not here or have changed.

    Raises:
        SessionError: there is no such session, or it cannot be read.
    """
    session = _find_session(services, question)
    views = session.views.model_dump(mode="json", exclude={"room", "theme"})
    return {"session": session.to_document() | {"views": views}, "warning": _say_models(services, session)}


def _find_session(services: Services, question: SessionQuestion) -> SessionDocument:
    if question.fragment:
        return read_link(question.fragment)
    if not question.name:
        check_size(question.size)
        return read_session(question.text)
    known = load_examples(services.workspace.model_ids())
    if services.session is not None:
        known[OPENED] = services.session
    if question.name not in known:
        listed = ", ".join(known) or "none"
        raise SessionError(f"There is no session named {shorten(question.name)!r} here; there are: {listed}.")
    return known[question.name]


def read_link(fragment: str) -> SessionDocument:
    """The session in the fragment of a link.

    Raises:
        SessionError: the fragment is damaged, too long, or holds something else.
    """
    body = fragment.removeprefix("#")
    if not body.startswith(FRAGMENT) or len(body) > MAX_FRAGMENT:
        raise SessionError("This link does not hold a session; copy it again, whole.")
    try:
        return validate_session(unpack(body.removeprefix(FRAGMENT), MAX_SESSION_BYTES))
    except (ValueError, RecursionError):
        raise SessionError("This link does not hold a session; copy it again, whole.") from None


def _say_models(services: Services, session: SessionDocument) -> str:
    here = services.workspace.model_ids()
    missing = [model_id for model_id in session.models if model_id not in here]
    kept = dict.fromkeys((moment.state.request.model_id, moment.model_hash) for moment in session.moments)
    changed = [name for name, model_hash in kept if name in here and find_changed(services, name, model_hash)]
    return " ".join([*map(say_missing, missing), *map(say_changed, dict.fromkeys(changed))])


def layout_menu() -> Component:
    """The button with what can be done with a session."""
    items = [
        _item(SessionRole.SAVE, "Save session", "Everything in the history, with notes, as one file"),
        _item(SessionRole.OPEN, "Open a session file …", "In place of this history"),
        _item(SessionRole.LINK, "Copy a link to the session", "For histories of up to 8 kB, packed"),
        _item(SessionRole.BEFORE, "Reopen the session before", "The one that this one took the place of"),
        _item(SessionRole.EXAMPLES, "Worked examples", "Sessions that come with Beamscope"),
    ]
    form = {"format": FORMAT, "version": VERSION, "most": MAX_SESSION_BYTES, "link": MAX_FRAGMENT}
    menu = popover("session-panel", "Session", items, title="Save, open or share this session", side="end")
    return html.Div(menu, **(as_role(SessionRole.MENU) | wild(data_form=json.dumps(form))))


def _item(role: SessionRole, text: str, title: str) -> Component:
    return html.Button(text, className="menu-item", title=title, **as_role(role))


def layout_guide() -> Component:
    """The note of the moment on view, with the way to the next moment that has one."""
    content = html.Div(className="guide-text", **as_role(SessionRole.GUIDE_TEXT))
    steps = [
        html.Button("Back", className="quiet step", **as_role(SessionRole.GUIDE_BACK)),
        html.Button("Next", className="quiet step", **as_role(SessionRole.GUIDE_NEXT)),
    ]
    hide = html.Button(
        "Hide",
        className="quiet",
        title="Hide notes until another session is opened",
        **as_role(SessionRole.GUIDE_HIDE),
    )
    buttons = html.Div([*steps, html.Span(className="fill"), hide])
    label = wild(aria_label="Note on this answer")
    return html.Section([content, buttons], className="guide", hidden=True, **(as_role(SessionRole.GUIDE) | label))


def layout_welcome(services: Services) -> Component | None:
    """The examples that a first visitor is offered; None where the workspace has no model of one."""
    examples = load_examples(services.workspace.model_ids())
    if not examples:
        return None
    offers = [_offer(name, session) for name, session in examples.items()]
    close = html.Button("Close", className="quiet", title="Close (Esc)", **as_role(PageRole.WELCOME_CLOSE))
    head = html.Div([html.H2("Start with a worked example"), html.Span(className="fill"), close], className="card-head")
    about = html.P(
        "Each is a short session on a model of this workspace, with a note at every step. Change anything on the way."
    )
    return html.Aside(
        [head, about, html.Div(offers, className="offers")],
        className="welcome",
        hidden=True,
        **(as_role(PageRole.WELCOME) | wild(aria_label="Worked examples")),
    )


def _offer(name: str, session: SessionDocument) -> Component:
    length = f"{session.models[0]} · {count(len(session.moments), 'step')}"
    content = [html.B(session.title), html.Span(session.about), html.Small(length)]
    return html.Button(content, className="offer", **wild(data_session=name))
