"""The OpenAPI 3.1 description of the API, generated from the table of endpoints and their types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from dashboard.api.endpoints import Endpoint
from dashboard.api.types import ErrorDocument

OPENAPI_VERSION: Final = "3.1.0"
_SCHEMAS: Final = "#/components/schemas/{model}"

Json = dict[str, Any]


def describe(endpoints: Sequence[Endpoint], version: str) -> Json:
    """The whole description as a JSON value."""
    references, components = models_json_schema(
        [*_types_of(endpoints), (ErrorDocument, "serialization")], ref_template=_SCHEMAS
    )
    paths: Json = {}
    for endpoint in endpoints:
        operation = _describe_operation(endpoint, references)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": "Beamscope",
            "version": version,
            "summary": "Translate, and look at the states behind it, beside the training examples nearest to them.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": components.get("$defs", {})},
    }


def _types_of(endpoints: Iterable[Endpoint]) -> list[tuple[type[BaseModel], Any]]:
    """Every type that is named in the description, with the side it is seen from."""
    asked = {endpoint.asked for endpoint in endpoints if endpoint.has_body}
    answers = {endpoint.answer for endpoint in endpoints}
    return [*((kind, "validation") for kind in asked), *((kind, "serialization") for kind in answers)]


def _describe_operation(endpoint: Endpoint, references: Mapping[Any, Json]) -> Json:
    operation: Json = {
        "operationId": re.sub(r"\W+", "_", endpoint.path).strip("_"),
        "summary": endpoint.summary,
        "responses": {
            "200": _json_content("The answer.", references[endpoint.answer, "serialization"]),
            **{
                str(status.value): _json_content(status.phrase, references[ErrorDocument, "serialization"])
                for status in endpoint.refusals
            },
        },
    }
    if endpoint.has_body:
        schema = references[endpoint.asked, "validation"]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    elif endpoint.asked.model_fields:
        operation["parameters"] = _describe_parameters(endpoint.asked)
    if endpoint.unready is not None:
        answer = _json_content(endpoint.unready.phrase, references[endpoint.answer, "serialization"])
        operation["responses"][str(endpoint.unready.value)] = answer
    return operation


def _json_content(description: str, schema: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _describe_parameters(asked: type[BaseModel]) -> list[Json]:
    """The fields of a type as parameters of the query."""
    schema = asked.model_json_schema()
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": field.pop("description", field.get("title", name)),
            "schema": field,
        }
        for name, field in schema["properties"].items()
    ]
