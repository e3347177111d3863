"""Errors as HTTP: a status, one sentence and the field at fault.

BeamscopeError
└── ApiError        a call that is wrong as HTTP: its path, method, headers, size or JSON
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from dashboard.api.types import ErrorDocument
from dashboard.request_id import point_to_log
from exported_models.contract.errors import (
    ArtefactError,
    BeamscopeError,
    ModelError,
    RequestError,
    WorkspaceError,
)
from state_store.errors import MapError, SpaceError, StoreError


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


def status_of(error: BeamscopeError) -> HTTPStatus:
    """The HTTP status that says what kind of trouble it is."""
    return error.status if isinstance(error, ApiError) else _kind_of(error).status


def document_of(error: BeamscopeError) -> ErrorDocument:
    """The JSON answer for an error with a message for people."""
    named = error.field if isinstance(error, (ApiError, RequestError)) else ""
    return ErrorDocument(error=str(error), field=named or _kind_of(error).field)


def say_unexpected() -> str:
    """The sentence for an error that nobody foresaw."""
    return f"Something went wrong inside Beamscope; {point_to_log()}."


def say_no_store(model_id: str) -> str:
    """The sentence for a model that no store was built with."""
    return f"There is no state store for the model {model_id!r}; `beamscope build` with its project file makes one."


def _kind_of(error: BeamscopeError) -> _Kind:
    return next(kind for kind in _KINDS if isinstance(error, kind.error))
