"""A session as a report: what was asked, what each change did, and the views of it, for readers without Beamscope."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from pydantic import BaseModel, ConfigDict

from dashboard.drawing.comparison_sentences import say_attention, say_lost, say_reference, say_sources, say_words
from dashboard.drawing.palette import colors
from dashboard.drawing.report_page import Listing, Report, Section, write_report
from dashboard.drawing.svg.document import Drawing
from dashboard.drawing.words import count, signed
from dashboard.services import Services
from dashboard.state.page_state import Json, PageState, Selection
from dashboard.state.session import MomentDocument, SessionDocument, validate_session
from dashboard.views import prints
from dashboard.views.changed_models import say_missing, warn_of_change
from dashboard.views.compared import Compared, look_at_both
from dashboard.views.shown import Shown, look, look_around
from exported_models.contract.errors import BeamscopeError
from exported_models.contract.trace import Trace
from exported_models.wording import describe_remarks

REPORT: Final = "/_pane/report"
MAX_DRAWN: Final = 60
"""Most answers of a report that are drawn; starred ones come first, and the others are listed."""
WIDTH: Final = 900.0
"""Pixels for the columns of a drawing."""


class ReportQuestion(BaseModel):
    """The session to report on, as its file has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    session: Json


def answer_report(services: Services, question: ReportQuestion) -> Json:
    """The report as a file to save.

    Raises:
        SessionError: the session cannot be read.
    """
    session = validate_session(question.session)
    content = report_session(services, session)
    return {"download": {"content": content, "filename": "beamscope-report.html", "type": "text/html"}}


def report_session(services: Services, session: SessionDocument) -> str:
    """The HTML document of a session.

    An answer whose model is gone, or cannot be asked any more, is named with the reason.
    """
    places = range(len(session.moments))
    wanted = sorted(places, key=lambda place: (not _matters(session, place), place))
    drawn = frozenset(wanted[:MAX_DRAWN])
    sections = [_report_moment(services, session, place, draws=place in drawn) for place in places]
    both = list(_report_pinned(services, session))
    return write_report(
        Report(_name(session), list(_describe(session, len(drawn))), [*both, *sections]), colors("light")
    )


def _matters(session: SessionDocument, place: int) -> bool:
    moment = session.moments[place]
    return moment.star or bool(moment.note) or place in (session.current, session.pinned)


def _name(session: SessionDocument) -> str:
    return session.title or f"Beamscope: {session.moments[session.current].state.request.source}"


def _describe(session: SessionDocument, drawn: int) -> Iterator[str]:
    if session.about:
        yield session.about
    more = f"; {drawn} of them are drawn" if drawn < len(session.moments) else ""
    yield f"{count(len(session.moments), 'answer')} by {', '.join(session.models)}{more}."


def _report_moment(services: Services, session: SessionDocument, place: int, *, draws: bool) -> Section:
    moment = session.moments[place]
    title = moment.name or moment.label or moment.state.request.source
    frame = Section(
        anchor=f"answer-{place + 1}",
        title=title,
        label="" if title == moment.label else moment.label,
        note=moment.note,
        star=moment.star,
        parent="" if moment.parent is None else f"answer-{moment.parent + 1}",
    )
    try:
        return _fill(services, session, place, frame, draws=draws)
    except BeamscopeError as error:
        kept = f"It was “{moment.text}”." if moment.text else ""
        return _with(frame, [str(error), kept])


def _fill(services: Services, session: SessionDocument, place: int, frame: Section, *, draws: bool) -> Section:
    moment, state = session.moments[place], session.state_of(place)
    shown, warnings = _open(services, session, place), _warn(services, moment)
    trace = shown.picture.trace
    sentences = [f"“{state.request.source}” gives “{shown.picture.hypothesis.text}”.", *warnings]
    drawings: list[Drawing] = []
    other = moment.parent if moment.beside is None else moment.beside
    if draws and other is not None and (compared := _compare(services, session, shown, other)):
        sentences += _say(compared)
        drawings.append(prints.print_comparison(compared))
    elif draws:
        drawings.append(prints.print_translation(shown))
    if draws and _matters(session, place):
        drawings.append(prints.print_tree(shown))
    if draws and place == session.current:
        drawings += _print_states(services, session, shown)
    return _with(frame, sentences, _list_hypotheses(trace), drawings)


def _open(services: Services, session: SessionDocument, place: int) -> Shown:
    options = session.views.model_copy(update={"room": WIDTH, "theme": "light"})
    if session.moments[place].state.request.model_id not in services.workspace.model_ids():
        raise BeamscopeError(say_missing(session.moments[place].state.request.model_id))
    return look(services, session.state_of(place), options)


def _warn(services: Services, moment: MomentDocument) -> list[str]:
    warning = warn_of_change(services, moment.state.request.model_id, moment.model_hash)
    return [warning] if warning else []


def _compare(services: Services, session: SessionDocument, shown: Shown, other: int) -> Compared | None:
    """The answer beside another moment; None where that one is the same, or cannot be asked any more."""
    before = session.state_of(other)
    if before == shown.state or before.request.model_id not in services.workspace.model_ids():
        return None
    return look_at_both(services, shown, before)


def _say(compared: Compared) -> list[str]:
    found, (old, new) = compared.found, compared.texts
    lost = say_lost(found.trees, old.target, new.target)
    said = [say_sources(compared.picture), say_words(found), say_attention(compared.picture, found.attention), *lost]
    return [sentence for sentence in (*said, *say_reference(found.reference), *found.not_compared) if sentence]


def _list_hypotheses(trace: Trace) -> Listing:
    rows = [
        (str(rank), one.text + describe_remarks(one), signed(one.normalized, 3), signed(one.score))
        for rank, one in enumerate(trace.hypotheses, start=1)
    ]
    return Listing(("", "n-best", "score a token", "summed score"), rows)


def _print_states(services: Services, session: SessionDocument, shown: Shown) -> Iterator[Drawing]:
    """Matrix, map and training examples of the answer on view, as far as the model has them."""
    if shown.attention is not None:
        yield prints.print_matrix(shown)
    chosen = session.selection
    picture = shown.picture
    selection = Selection(chosen.side, chosen.index).within(picture.trace, picture.hypothesis) if chosen else None
    around = look_around(services, shown.state, shown.options, selection, follows=False)
    if around.scene is not None:
        yield prints.print_map(around)
        yield prints.print_neighbors(around)


def _report_pinned(services: Services, session: SessionDocument) -> Iterator[Section]:
    """The comparison on view, where something is pinned: words, attention, trees and states of both."""
    if session.pinned is None or session.pinned == session.current:
        return
    names = [session.moments[place].name or session.moments[place].label for place in (session.pinned, session.current)]
    frame = Section("compared", "Compared", label=" and ".join(f"“{name}”" for name in names if name))
    try:
        shown = _open(services, session, session.current)
        compared = _compare(services, session, shown, session.pinned)
        if compared is None:
            return
        state = shown.state.pin(session.state_of(session.pinned))
        yield _with(frame, _say(compared), drawings=list(_print_both(services, compared, state)))
    except BeamscopeError as error:
        yield _with(frame, [str(error)])


def _print_both(services: Services, compared: Compared, state: PageState) -> Iterator[Drawing]:
    yield prints.print_comparison(compared)
    if compared.found.attention is not None:
        yield prints.print_difference(compared)
    yield prints.print_overlay(compared)
    around = look_around(services, state, compared.shown.options, None, follows=False)
    if around.merged is not None:
        yield prints.print_map(around)


def _with(
    frame: Section, sentences: list[str], listing: Listing | None = None, drawings: list[Drawing] | None = None
) -> Section:
    said = [sentence for sentence in sentences if sentence]
    return replace(frame, sentences=said, listing=listing, drawings=drawings or ())
