"""The check of what the browser sends to a callback of the page, before Dash reads it.

Dash trusts these bodies: one that it did not write itself ends in an exception and a traceback in the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import dash
from flask import Response, request
from pydantic import BaseModel, ValidationError

from dashboard.api.errors import ApiError, document_of
from dashboard.api.routing import JSON_TYPE

CALLBACK_PATH: Final = "/_dash-update-component"
MALFORMED: Final = "This is not a call of the page as it is served now; reload the page."

Json = dict[str, Any]


class _Property(BaseModel):
    """A property of a component, with its value where it is an input or a state."""

    id: str | dict[str, Any]
    property: str
    value: Any = None


_Properties: TypeAlias = list[_Property | list[_Property]]
"""A property that stands for many, by a pattern, comes as a list of them."""


class _Call(BaseModel):
    """The body of a call."""

    output: str
    outputs: _Property | _Properties = []
    inputs: _Properties
    state: _Properties = []
    changedPropIds: list[str] = []  # noqa: N815 - Dash's own name


def check_callbacks(page: dash.Dash) -> None:
    """Let ``page`` refuse, with 400 and one sentence, calls that none of its callbacks understands."""

    def refuse_malformed() -> Response | None:
        if request.path != CALLBACK_PATH or request.method != "POST" or _is_understood(page.callback_map):
            return None
        refusal = document_of(ApiError(MALFORMED, HTTPStatus.BAD_REQUEST))
        return Response(refusal.model_dump_json(), HTTPStatus.BAD_REQUEST, mimetype=JSON_TYPE)

    page.server.before_request(refuse_malformed)


def _is_understood(callbacks: Mapping[str, Json]) -> bool:
    """Whether the request calls a callback with the properties that it takes."""
    try:
        call = _Call.model_validate(request.get_json(silent=True))
    except (ValidationError, RecursionError):
        return False
    callback = callbacks.get(call.output, {})
    return (
        "callback" in callback
        and _are_those_of(call.inputs, callback["inputs"])
        and _are_those_of(call.state, callback["state"])
        and (callback["no_output"] or _count_outputs(call) == len(call.output.strip(".").split("...")))
    )


def _are_those_of(sent: _Properties, taken: Sequence[Json]) -> bool:
    """Whether the properties sent are those that a callback takes, in its order."""
    return len(sent) == len(taken) and all(map(_is_that, sent, taken))


def _is_that(sent: _Property | list[_Property], taken: Json) -> bool:
    if isinstance(sent, list):
        return all(_is_that(each, taken) for each in sent)
    is_pattern = taken["id"].startswith("{")
    named = isinstance(sent.id, dict) if is_pattern else sent.id == taken["id"]
    return named and sent.property == taken["property"]


def _count_outputs(call: _Call) -> int:
    return len(call.outputs) if isinstance(call.outputs, list) else 1
