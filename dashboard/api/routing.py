"""The parts that every router of the API is made of: its routes, its services and the refusals it documents."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError

from dashboard.api.errors import ApiError
from dashboard.api.types import ErrorDocument
from dashboard.services import Services
from exported_models.contract.errors import shorten

API_ROOT: Final = "/api/v1"
JSON_TYPE: Final = "application/json"
_ANYTHING: Final = TypeAdapter[Any](Any)

OF_ARTEFACTS: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
OF_INPUT: Final = (HTTPStatus.UNPROCESSABLE_ENTITY,)
OF_CROWD: Final = (HTTPStatus.SERVICE_UNAVAILABLE,)
OF_BODY: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)


async def services_of(request: Request) -> Services:
    """The services of the application that answers ``request``."""
    services: Services = request.app.state.services
    return services


ServicesOfApp = Annotated[Services, Depends(services_of)]


class JsonRequest(Request):
    """A request whose body is JSON and nothing else."""

    async def json(self) -> Any:
        """The body as a value.

        Only `application/json` is read: a page of another site can post forms and plain text without asking the
        browser's preflight first, but not JSON.

        Raises:
            ApiError: another content type (415), or not JSON (400).
        """
        _check_content_type(self.headers.get("content-type", ""))
        try:
            return _ANYTHING.validate_json(await self.body())
        except ValidationError as error:
            reason = error.errors(include_url=False, include_input=False)[0]["msg"].removeprefix("Invalid JSON: ")
            raise ApiError(f"The body is not JSON: {reason}.", HTTPStatus.BAD_REQUEST) from None


class JsonRoute(APIRoute):
    """A route that reads its body, where it takes one, as JSON.

    A plain function runs in a thread, and its document is written there too: a large trace would hold up the event
    loop, which FastAPI writes documents on.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        call = endpoint if inspect.iscoroutinefunction(endpoint) else _written(endpoint)
        super().__init__(path, call, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, given a request that was read already."""
        answer = super().get_route_handler()
        if self.body_field is None:
            return answer

        async def read_and_answer(request: Request) -> Response:
            json_request = JsonRequest(request.scope, request.receive)
            await json_request.json()
            return await answer(json_request)

        return read_and_answer


def make_router(tag: str, prefix: str = API_ROOT) -> APIRouter:
    """A router for calls that belong together; ``tag`` is their heading in the documentation."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=JsonRoute, redirect_slashes=False)


def refusals(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The documentation of the statuses with which a call is refused."""
    return {status.value: {"model": ErrorDocument, "description": status.phrase} for status in statuses}


def _written(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """An endpoint that returns its document as a response."""

    @functools.wraps(endpoint)
    def write(*arguments: Any, **named: Any) -> Response:
        answer = endpoint(*arguments, **named)
        return answer if isinstance(answer, Response) else Response(answer.model_dump_json(), media_type=JSON_TYPE)

    return write


def _check_content_type(header: str) -> None:
    sent = header.partition(";")[0].strip().lower()
    if sent != JSON_TYPE:
        raise ApiError(
            f"Send the body as {JSON_TYPE}, not {shorten(sent) or 'without a content type'}.",
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )
