"""The questions of the page's panes, as calls beside those of the API; the page alone asks them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Response

from dashboard.api.errors import ApiError
from dashboard.api.routing import JSON_TYPE, JsonRoute, ServicesOfApp
from dashboard.state.question import Beginning, Question
from dashboard.views.answers import ANSWER, SURROUNDINGS, answer, respond, surround
from dashboard.views.asides import ATTENTION, COMPLETIONS, WORD, complete_word, show_attention, show_word
from dashboard.views.report import REPORT, ReportQuestion, answer_report
from dashboard.views.sessions import SESSION, SessionQuestion, open_session

DASH_CALLBACKS: Final = "/_dash-update-component"

router = APIRouter(route_class=JsonRoute, include_in_schema=False)


@router.post(ANSWER)
def answer_pane(question: Question, services: ServicesOfApp) -> Response:
    """Grant a wish and draw what the trace alone decides."""
    return _to_json(respond(services, answer, question))


@router.post(SURROUNDINGS)
def answer_surroundings(question: Question, services: ServicesOfApp) -> Response:
    """Draw the training states around a request."""
    return _to_json(respond(services, surround, question))


@router.post(SESSION)
def answer_session(question: SessionQuestion, services: ServicesOfApp) -> Response:
    """Read a session that is opened."""
    return _to_json(respond(services, open_session, question))


@router.post(WORD)
def answer_word(question: Question, services: ServicesOfApp) -> Response:
    """Draw the menu of a word."""
    return _to_json(respond(services, show_word, question))


@router.post(COMPLETIONS)
def answer_completions(asked: Beginning, services: ServicesOfApp) -> Response:
    """List words that begin as an analyst types."""
    return _to_json(respond(services, complete_word, asked))


@router.post(ATTENTION)
def answer_attention(question: Question, services: ServicesOfApp) -> Response:
    """Give the attention of a step."""
    return _to_json(respond(services, show_attention, question))


@router.post(REPORT)
def answer_report_of_session(question: ReportQuestion, services: ServicesOfApp) -> Response:
    """Write a session as a report."""
    return _to_json(respond(services, answer_report, question))


@router.post(DASH_CALLBACKS)
async def refuse_callback() -> Response:
    """Refuse what Dash would answer with a traceback: no callback of the page runs on the server.

    Raises:
        ApiError: always.
    """
    raise ApiError("This is not a call of the page as it is served now; reload the page.", HTTPStatus.BAD_REQUEST)


def _to_json(document: Mapping[str, object]) -> Response:
    return Response(json.dumps(document, separators=(",", ":")), media_type=JSON_TYPE)
