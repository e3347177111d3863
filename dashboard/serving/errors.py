"""Errors as answers: one JSON document for each, and nothing in the log about mistakes of a client."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final, cast

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.api.errors import ApiError, document_of, say_unexpected, status_of
from dashboard.api.routing import JSON_TYPE
from dashboard.api.validation import error_of_validation
from exported_models.contract.errors import BeamscopeError, shorten

_LOG = logging.getLogger(__name__)


def error_response(error: BeamscopeError) -> Response:
    """The answer to a call that failed with ``error``."""
    return Response(document_of(error).model_dump_json(), status_of(error), media_type=JSON_TYPE)


async def _answer_error(_request: Request, error: BeamscopeError) -> Response:
    return error_response(error)


async def _answer_invalid(request: Request, error: RequestValidationError) -> Response:
    """Answer a body or a query that its type does not allow."""
    return error_response(error_of_validation(error, _asked_by(request.scope["route"])))


async def _answer_http(request: Request, error: HTTPException) -> Response:
    """Answer an error of the framework's own: a method that a path does not have."""
    allowed = (error.headers or {}).get("Allow", "")
    if error.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
        return error_response(ApiError(error.detail, HTTPStatus(error.status_code)))
    if request.method == "OPTIONS":
        return Response(status_code=HTTPStatus.NO_CONTENT, headers={"Allow": f"{allowed}, OPTIONS"})
    sentence = f"{request.url.path} is asked with {allowed}, not {shorten(request.method)}."
    response = error_response(ApiError(sentence, HTTPStatus.METHOD_NOT_ALLOWED))
    response.headers["Allow"] = allowed
    return response


HANDLERS: Final[dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]]] = {
    BeamscopeError: _answer_error,
    RequestValidationError: _answer_invalid,
    HTTPException: _answer_http,
}


class UnexpectedErrors:
    """Answer an error that nobody foresaw with one sentence, and log it with its traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; after a part of an answer was sent, an error can only end the connection."""
        started = False

        async def send_noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            _LOG.error("%s %s failed", scope["method"], shorten(scope["path"]), exc_info=error)
            await error_response(ApiError(say_unexpected(), HTTPStatus.INTERNAL_SERVER_ERROR))(scope, receive, send)


def _asked_by(route: APIRoute) -> type[BaseModel]:
    """The type of the body or the query that a route takes."""
    field = route.body_field or route.dependant.query_params[0]
    return cast("type[BaseModel]", field.field_info.annotation)
