"""What the API answers when it cannot answer: one sentence, the field at fault, and a status.

BeamscopeError
└── ApiError        a call that is wrong as HTTP: its path, method, headers, size or JSON
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from pydantic import ValidationError

from dashboard.api.types import ErrorDocument
from exported_models.errors import (
    ArtefactError,
    BeamscopeError,
    ModelError,
    RequestError,
    WorkspaceError,
)

UNEXPECTED: Final = "Something went wrong inside Beamscope; the server's log says what."

# The first that fits counts. What a build has to repair is a conflict with the state of the workspace.
_STATUSES: Final[tuple[tuple[type[BeamscopeError], HTTPStatus], ...]] = (
    (RequestError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (WorkspaceError, HTTPStatus.NOT_FOUND),
    (ArtefactError, HTTPStatus.CONFLICT),
    (ModelError, HTTPStatus.CONFLICT),
)


class ApiError(BeamscopeError):
    """A call that cannot be answered as sent; ``status`` is its HTTP status, ``field`` the part at fault."""

    def __init__(self, message: str, status: HTTPStatus, field: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.field = field


def error_of_validation(error: ValidationError) -> ApiError:
    """The first thing wrong with a body or a query, in one sentence."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return ApiError(f"The body is not JSON: {first['msg']}.", HTTPStatus.BAD_REQUEST)
    field = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    sentence = f"{field}: {message}." if field else f"{message}."
    return ApiError(sentence.replace("..", "."), HTTPStatus.UNPROCESSABLE_ENTITY, field)


def status_of(error: BeamscopeError) -> HTTPStatus:
    """The HTTP status that says what kind of trouble it is; the caller's (4xx) unless nothing else is known."""
    if isinstance(error, ApiError):
        return error.status
    found = (status for kind, status in _STATUSES if isinstance(error, kind))
    return next(found, HTTPStatus.UNPROCESSABLE_ENTITY)


def document_of(error: BeamscopeError) -> ErrorDocument:
    """The JSON answer for an error with a message for people."""
    return ErrorDocument(error=str(error), field=getattr(error, "field", ""))
