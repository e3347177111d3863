"""What the API answers when it cannot answer: one sentence, the field at fault, and a status.

BeamscopeError
└── ApiError        a call that is wrong as HTTP: its path, method, headers, size or JSON
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, get_args

from pydantic import BaseModel, ValidationError

from dashboard.api.types import ErrorDocument
from exported_models.contract.errors import (
    ArtefactError,
    BeamscopeError,
    ModelError,
    RequestError,
    WorkspaceError,
)
from state_store.errors import MapError, SpaceError, StoreError

UNEXPECTED: Final = "Something went wrong inside Beamscope; the server's log says what."


@dataclass(frozen=True, slots=True)
class _Kind:
    """How errors of one class are answered; ``field`` is used where the error itself names none."""

    error: type[BeamscopeError]
    status: HTTPStatus
    field: str = ""


# The first that fits counts. What only a new build repairs is a conflict with the state of the workspace.
_KINDS: Final = (
    _Kind(RequestError, HTTPStatus.UNPROCESSABLE_ENTITY),
    _Kind(WorkspaceError, HTTPStatus.NOT_FOUND, "model_id"),
    _Kind(SpaceError, HTTPStatus.NOT_FOUND, "space"),
    _Kind(MapError, HTTPStatus.NOT_FOUND, "map"),
    _Kind(StoreError, HTTPStatus.CONFLICT),
    _Kind(ArtefactError, HTTPStatus.CONFLICT),
    _Kind(ModelError, HTTPStatus.CONFLICT),
    _Kind(BeamscopeError, HTTPStatus.UNPROCESSABLE_ENTITY),
)


class ApiError(BeamscopeError):
    """A call that cannot be answered as sent; ``status`` is its HTTP status, ``field`` the part at fault."""

    def __init__(self, message: str, status: HTTPStatus, field: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.field = field


def error_of_validation(error: ValidationError, asked: type[BaseModel]) -> ApiError:
    """The first thing wrong with a body or a query of the type ``asked``, in one sentence."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        reason = first["msg"].removeprefix("Invalid JSON: ")
        return ApiError(f"The body is not JSON: {reason}.", HTTPStatus.BAD_REQUEST)
    field = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        known = ", ".join(_names_beside(asked, first["loc"]))
        message = f"There is no such field; known are {known or 'none'}"
    sentence = f"{field or 'body'}: {message}."
    return ApiError(sentence.replace("..", "."), HTTPStatus.UNPROCESSABLE_ENTITY, field)


def _names_beside(asked: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """The fields that there are where an unknown one was sent; ``place`` leads to it through lists and documents."""
    names = [part for part in place[:-1] if isinstance(part, str)]
    for name in names:
        kind = asked.model_fields[name].annotation
        (asked,) = (part for part in (kind, *get_args(kind)) if isinstance(part, type) and issubclass(part, BaseModel))
    return list(asked.model_fields)


def status_of(error: BeamscopeError) -> HTTPStatus:
    """The HTTP status that says what kind of trouble it is."""
    return error.status if isinstance(error, ApiError) else _kind_of(error).status


def document_of(error: BeamscopeError) -> ErrorDocument:
    """The JSON answer for an error with a message for people."""
    named = error.field if isinstance(error, (ApiError, RequestError)) else ""
    return ErrorDocument(error=str(error), field=named or _kind_of(error).field)


def _kind_of(error: BeamscopeError) -> _Kind:
    return next(kind for kind in _KINDS if isinstance(error, kind.error))
