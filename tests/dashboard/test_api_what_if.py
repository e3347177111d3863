"""What-ifs over HTTP: the verbs of the engine, their words, and the mistakes a caller can make with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dashboard.services import Services
from exported_models.contract.documents import TraceDocument
from exported_models.contract.request import Request
from exported_models.contract.wishes import Choose, SetSearch, StartOver, Wish, write_wish
from exported_models.contract.workspace import Workspace
from exported_models.edits import apply
from tests.dashboard.serving import client_of

SOURCE = "March 3, 1999"
ASKED = {"model_id": "dates", "source": SOURCE}

Json = dict[str, Any]


@pytest.fixture(scope="module")
def client(dates_workspace: Workspace) -> Iterator[TestClient]:
    with client_of(dates_workspace) as client:
        yield client


@pytest.fixture(scope="module")
def services(dates_workspace: Workspace) -> Services:
    return Services.open(dates_workspace)


def ask(client: TestClient, wish: Json, **more: object) -> Any:
    return client.post("/api/v1/what-if", json={"request": ASKED, "wish": wish, **more})


@pytest.mark.parametrize("wish", [Choose(2, 1), SetSearch(beam_size=2), StartOver("May 4, 2001")])
def test_a_wish_is_answered_as_the_engine_does(client: TestClient, services: Services, wish: Wish) -> None:
    reply = ask(client, write_wish(wish))

    trace = services.trace(Request("dates", SOURCE))
    edit = apply(wish, trace, trace.best, services.token_text("dates"))
    assert reply.status_code == 200
    assert reply.json()["words"] == edit.words
    assert TraceDocument.model_validate(reply.json()["trace"]) == TraceDocument.model_validate_json(
        TraceDocument.of(services.trace(edit.request)).model_dump_json()
    )


def test_a_wish_speaks_of_the_hypothesis_named(client: TestClient, services: Services) -> None:
    trace = services.trace(Request("dates", SOURCE))

    reply = ask(client, {"verb": "choose", "step": 3, "rank": 0}, hypothesis=1)

    assert reply.json()["trace"]["request"]["prefix"][:3] == list(trace.hypotheses[1].tokens[:3])


@pytest.mark.parametrize(
    ("wish", "more", "field"),
    [
        ({"verb": "choose", "step": 99, "rank": 0}, {}, None),
        ({"verb": "choose", "step": 0, "rank": 99}, {}, None),
        ({"verb": "choose", "step": 0, "rank": 0}, {"hypothesis": 99}, "hypothesis"),
        ({"verb": "choose", "step": True, "rank": 0}, {}, "wish.step"),
        ({"verb": "choose", "step": 0}, {}, "wish.rank"),
        ({"verb": "choose", "step": 0, "rank": 0, "row": 1}, {}, "wish.row"),
        ({"verb": "ablate", "heads": [{"kind": "cross", "layer": True, "head": 0}]}, {}, "wish.heads.0"),
        ({"verb": "ablate", "heads": [{"kind": "cross", "layer": 0, "head": 0, "row": 1}]}, {}, "wish.heads.0.row"),
        ({"verb": "set_search", "beam_size": "wide"}, {}, "wish.beam_size"),
        ({"verb": "set_search", "length_penalty": True}, {}, "wish.length_penalty"),
        ({"verb": "dance"}, {}, "wish"),
        ({}, {}, "wish"),
    ],
)
def test_a_wish_that_cannot_be_granted_names_its_field(
    client: TestClient, wish: Json, more: Json, field: str | None
) -> None:
    reply = ask(client, wish, **more)

    assert reply.status_code == 422
    assert field is None or reply.json()["field"] == field


def test_an_unknown_verb_or_field_lists_the_known_ones(client: TestClient) -> None:
    assert "known are 'substitute'," in ask(client, {"verb": "substitut"}).json()["error"]
    assert len(ask(client, {"verb": "x" * 5000}).text) < 400
    assert (
        "known are step, rank, verb" in ask(client, {"verb": "choose", "step": 0, "rank": 0, "row": 1}).json()["error"]
    )
