"""Comparisons over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from exported_models.contract.workspace import Workspace
from tests.dashboard.serving import client_of

BEFORE = {"request": {"model_id": "dates", "source": "March 3, 1999"}}
AFTER = {"request": {"model_id": "dates", "source": "March 3, 1998"}}


@pytest.fixture(scope="module")
def client(dates_workspace: Workspace) -> Iterator[TestClient]:
    with client_of(dates_workspace) as client:
        yield client


def ask(client: TestClient, **asked: object) -> Any:
    return client.post("/api/v1/compare", json={"before": BEFORE, "after": AFTER, **asked})


def test_two_sources_are_laid_side_by_side(client: TestClient) -> None:
    reply = ask(client, reference="1998-03-03")

    assert reply.status_code == 200
    found = reply.json()
    assert [one["before"] for one in found["columns"] if one["change"] == "changed"] == [[3]]
    assert found["split"]["token_after"] == "8"
    assert found["reference"]["after"]["chrf"] > found["reference"]["before"]["chrf"]


@pytest.mark.parametrize(
    ("asked", "status", "field"),
    [
        ({"after": {**AFTER, "hypothesis": 99}}, 422, "hypothesis"),
        ({"after": {"request": {"model_id": "gone", "source": "1"}}}, 404, "model_id"),
        ({"reference": ""}, 422, "reference"),
        ({"reference": "1" * 5000}, 422, "reference"),
        ({"pivot": 1}, 422, "pivot"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(
    client: TestClient, asked: dict[str, object], status: int, field: str
) -> None:
    reply = ask(client, **asked)

    assert (reply.status_code, reply.json()["field"]) == (status, field)
