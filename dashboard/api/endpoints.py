"""The calls of the API as data: the routes and the OpenAPI description are both made from this table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal

from pydantic import BaseModel

from dashboard.api import answers, types
from dashboard.services import Services
from exported_models.contract.documents import RequestDocument, TraceDocument
from state_store.documents import NeighborhoodDocument, NeighborsDocument

API_ROOT: Final = "/api/v1"

_OF_ARTEFACTS: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
_OF_INPUT: Final = (HTTPStatus.UNPROCESSABLE_ENTITY,)
_OF_BODY: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One call.

    Attributes:
        asked: what it takes: the body of a POST, the query of a GET.
        answer: what ``respond`` returns.
        respond: the pure work behind it; typed by ``asked`` and ``answer``.
        unready: the status of an answer that says it is not ready; None where that cannot be.
    """

    method: Literal["GET", "POST"]
    path: str
    summary: str
    asked: type[BaseModel]
    answer: type[BaseModel]
    respond: Callable[[Services, Any], BaseModel]
    unready: HTTPStatus | None = None

    @property
    def has_body(self) -> bool:
        return self.method == "POST"

    @property
    def refusals(self) -> tuple[HTTPStatus, ...]:
        """The statuses it refuses a call with."""
        if self.has_body:
            return (*_OF_BODY, *_OF_ARTEFACTS, *_OF_INPUT)
        return (*_OF_ARTEFACTS, *_OF_INPUT) if self.asked.model_fields else ()

    def status_of(self, answer: BaseModel) -> HTTPStatus:
        """The HTTP status of an answer."""
        if self.unready is not None and isinstance(answer, types.ReadyDocument) and not answer.ready:
            return self.unready
        return HTTPStatus.OK


ENDPOINTS: Final = (
    Endpoint(
        "POST",
        f"{API_ROOT}/translate",
        "Translate a source text and return everything the search did; what-ifs are part of the request.",
        RequestDocument,
        TraceDocument,
        answers.translate,
    ),
    Endpoint(
        "POST",
        f"{API_ROOT}/neighbors",
        "The training examples whose states are nearest to one state of a request.",
        types.NeighborsAsked,
        NeighborsDocument,
        answers.neighbors,
    ),
    Endpoint(
        "POST",
        f"{API_ROOT}/project",
        "Every state of a source or a hypothesis with its neighbors, placed on a map.",
        types.ProjectAsked,
        NeighborhoodDocument,
        answers.project,
    ),
    Endpoint(
        "GET",
        f"{API_ROOT}/projection",
        "The corpus map: a sample of the states of a space, the same from request to request.",
        types.ProjectionAsked,
        types.ProjectionDocument,
        answers.projection,
    ),
    Endpoint(
        "GET",
        f"{API_ROOT}/models",
        "The models of the workspace, their spaces and their stores.",
        types.Nothing,
        types.ModelsDocument,
        answers.models,
    ),
    Endpoint("GET", "/healthz", "The process is up.", types.Nothing, types.HealthDocument, answers.health),
    Endpoint(
        "GET",
        "/readyz",
        "The models and stores open; if not, what is missing.",
        types.Nothing,
        types.ReadyDocument,
        answers.readiness,
        unready=HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
