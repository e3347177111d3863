"""The description that the API gives of itself, held against what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from dashboard.api.description import ROUTERS
from dashboard.serving import create_application
from exported_models.contract.workspace import Workspace
from tests.dashboard.serving import LOOPBACK

Json = dict[str, Any]


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    empty: Path = tmp_path_factory.mktemp("empty")
    return create_application(Workspace(empty))


@pytest.fixture(scope="module")
def description(application: FastAPI) -> Json:
    reply = TestClient(application, base_url=LOOPBACK).get("/api/v1/openapi.json")
    assert reply.status_code == 200
    found: Json = reply.json()
    return found


def references(value: object) -> Iterator[str]:
    """Every ``$ref`` anywhere in a JSON value."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def test_every_reference_leads_to_a_schema(description: Json) -> None:
    schemas = description["components"]["schemas"]

    named = {reference.removeprefix("#/components/schemas/") for reference in references(description)}

    assert named <= set(schemas)
    assert {"RequestDocument", "TraceDocument", "NeighborhoodDocument", "ErrorDocument"} <= named


def test_every_described_call_exists_and_every_call_is_described(application: FastAPI, description: Json) -> None:
    client = TestClient(application, base_url=LOOPBACK)
    described = {path: {method.upper() for method in calls} for path, calls in description["paths"].items()}
    offered = {path: set(client.options(path).headers["Allow"].split(", ")) - {"OPTIONS"} for path in described}
    routed = {route.path for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)}

    assert offered == described
    assert set(described) == routed


def test_bodies_and_parameters_are_described_from_the_types(description: Json) -> None:
    body = description["paths"]["/api/v1/translate"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    parameters = description["paths"]["/api/v1/projection"]["get"]["parameters"]

    assert body == {"$ref": "#/components/schemas/RequestDocument"}
    assert {parameter["name"]: parameter["required"] for parameter in parameters} == {
        "model_id": True,
        "space": True,
        "map": False,
        "limit": False,
    }


def test_it_is_openapi_3_1_and_every_operation_says_what_it_refuses_with(description: Json) -> None:
    assert description["openapi"].startswith("3.1")
    for calls in description["paths"].values():
        for method, operation in calls.items():
            assert operation["summary"].endswith(".")
            assert "200" in operation["responses"]
            assert method == "get" or {"400", "404", "413", "415", "422"} <= set(operation["responses"])


def test_the_reference_shows_every_call_and_document_and_asks_no_other_host(
    application: FastAPI, description: Json
) -> None:
    page = TestClient(application, base_url=LOOPBACK).get("/api/docs").text

    anchors = set(re.findall(r'id="([^"]+)"', page))
    assert {call["operationId"] for calls in description["paths"].values() for call in calls.values()} <= anchors
    assert set(re.findall(r'href="#([^"]+)"', page)) <= anchors
    assert set(description["components"]["schemas"]) <= anchors
    assert not re.search(r"""(src|href)="(https?:)?//|@import|url\(""", page)
    assert "<script" not in page


def test_a_readiness_probe_may_say_not_ready(description: Json) -> None:
    assert "503" in description["paths"]["/readyz"]["get"]["responses"]
