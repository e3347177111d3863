"""Errors as HTTP: a status, one sentence and the field at fault.

BeamscopeError
└── ApiError        a call that is wrong as HTTP: its path, method, headers, size or JSON
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, get_args

from pydantic import BaseModel

from dashboard.api.types import ErrorDocument
from exported_models.contract.errors import (
    ArtefactError,
    BeamscopeError,
    ModelError,
    RequestError,
    WorkspaceError,
    shorten,
)
from state_store.errors import MapError, SpaceError, StoreError

UNEXPECTED: Final = "Something went wrong inside Beamscope; the server's log says what."


@dataclass(frozen=True, slots=True)
class _Kind:
    """The status of errors of one class; ``field`` is answered where the error itself names none."""

    error: type[BeamscopeError]
    status: HTTPStatus
    field: str = ""


# The first that fits counts. An artefact that only a new build repairs is a conflict with the state of the workspace.
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


def error_of_validation(first: Mapping[str, Any], asked: type[BaseModel]) -> ApiError:
    """One sentence about an error of pydantic's, found in a body or a query of the type ``asked``.

    The place in ``first`` begins with ``body`` or ``query``, as FastAPI writes it.
    """
    place = first["loc"][1:]
    field = shorten(".".join(str(part) for part in place))
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        known = ", ".join(_names_beside(asked, place))
        message = f"There is no such field; known are {known or 'none'}"
    sentence = f"{field or first['loc'][0]}: {message}."
    return ApiError(sentence.replace("..", "."), HTTPStatus.UNPROCESSABLE_ENTITY, field)


def status_of(error: BeamscopeError) -> HTTPStatus:
    """The HTTP status that says what kind of trouble it is."""
    return error.status if isinstance(error, ApiError) else _kind_of(error).status


def document_of(error: BeamscopeError) -> ErrorDocument:
    """The JSON answer for an error with a message for people."""
    named = error.field if isinstance(error, (ApiError, RequestError)) else ""
    return ErrorDocument(error=str(error), field=named or _kind_of(error).field)


def say_no_store(model_id: str) -> str:
    """The sentence for a model that no store was built with."""
    return f"There is no state store for the model {model_id!r}; `beamscope build` with its project file makes one."


def _names_beside(asked: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """The fields that there are where an unknown one was sent; ``place`` leads to it through lists and documents."""
    names = [part for part in place[:-1] if isinstance(part, str)]
    for name in names:
        kind = asked.model_fields[name].annotation
        (asked,) = (part for part in (kind, *get_args(kind)) if isinstance(part, type) and issubclass(part, BaseModel))
    return list(asked.model_fields)


def _kind_of(error: BeamscopeError) -> _Kind:
    return next(kind for kind in _KINDS if isinstance(error, kind.error))
