"""The API on a Flask server: one rule an endpoint, and a JSON answer whatever comes in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from importlib.metadata import version
from typing import Final

from flask import Blueprint, Flask, Response, jsonify, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException

from dashboard.api.endpoints import API_ROOT, ENDPOINTS, Endpoint
from dashboard.api.errors import UNEXPECTED, ApiError, document_of, error_of_validation, status_of
from dashboard.api.guards import read_json_body
from dashboard.api.openapi import describe
from dashboard.api.types import ErrorDocument
from dashboard.services import Services
from exported_models.contract.errors import BeamscopeError

_LOG = logging.getLogger(__name__)
_DESCRIPTION_PATH: Final = f"{API_ROOT}/openapi.json"
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def register_api(server: Flask, services: Services) -> None:
    """Add the API to ``server``; it answers with the same models and stores as the page."""
    blueprint = Blueprint("api", __name__)
    for endpoint in ENDPOINTS:
        blueprint.add_url_rule(endpoint.path, endpoint.path, _view(endpoint, services), methods=[endpoint.method])
    description = describe(ENDPOINTS, version("beamscope"))
    blueprint.add_url_rule(_DESCRIPTION_PATH, "openapi", lambda: jsonify(description), methods=["GET"])
    for rule in (API_ROOT, f"{API_ROOT}/", f"{API_ROOT}/<path:rest>"):
        blueprint.add_url_rule(rule, "unknown", _refuse_unknown, methods=_METHODS)
    for path in ("/healthz", "/readyz"):
        blueprint.add_url_rule(path, "unknown", _refuse_unknown, methods=_METHODS)
    blueprint.register_error_handler(BeamscopeError, _answer_error)
    blueprint.register_error_handler(HTTPException, _answer_http)
    blueprint.register_error_handler(Exception, _answer_unexpected)
    server.register_blueprint(blueprint)


def _view(endpoint: Endpoint, services: Services) -> Callable[[], Response]:
    """The Flask view of an endpoint: parse, respond, serialize."""

    def view() -> Response:
        answer = endpoint.respond(services, _parse(endpoint))
        return _json_response(answer, endpoint.status_of(answer))

    return view


def _parse(endpoint: Endpoint) -> BaseModel:
    """The body or the query as the type the endpoint takes."""
    try:
        if endpoint.has_body:
            return endpoint.asked.model_validate_json(read_json_body(request))
        return endpoint.asked.model_validate(request.args.to_dict())
    except ValidationError as error:
        raise error_of_validation(error, endpoint.asked) from error


def _json_response(answer: BaseModel, status: HTTPStatus) -> Response:
    return Response(answer.model_dump_json(), status, mimetype="application/json")


def _answer_error(error: BeamscopeError) -> Response:
    return _json_response(document_of(error), status_of(error))


def _answer_http(error: HTTPException) -> Response:
    sentence = error.description or "The call could not be read."
    return _json_response(ErrorDocument(error=sentence), HTTPStatus(error.code or HTTPStatus.BAD_REQUEST))


def _answer_unexpected(error: Exception) -> Response:
    _LOG.error("%s %s failed", request.method, request.path, exc_info=error)
    return _json_response(ErrorDocument(error=UNEXPECTED), HTTPStatus.INTERNAL_SERVER_ERROR)


def _refuse_unknown(rest: str = "") -> Response:  # noqa: ARG001 - Flask passes what the rule matched
    """Refuse a path that is not of the API, or the wrong method for one that is; the page answers all other paths."""
    allowed = sorted({e.method for e in ENDPOINTS if e.path == request.path} | _methods_of_description())
    if not allowed:
        known = ", ".join(endpoint.path for endpoint in ENDPOINTS)
        return _answer_error(ApiError(f"There is no {request.path}; there are {known}.", HTTPStatus.NOT_FOUND))
    method = " or ".join(allowed)
    sentence = f"{request.path} is asked with {method}, not {request.method}."
    response = _answer_error(ApiError(sentence, HTTPStatus.METHOD_NOT_ALLOWED))
    response.headers["Allow"] = ", ".join(allowed)
    return response


def _methods_of_description() -> set[str]:
    return {"GET"} if request.path == _DESCRIPTION_PATH else set()
