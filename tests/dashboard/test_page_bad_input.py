"""Questions that the page did not write: refused in a sentence, and no news for the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign.questions import QUESTION, places_in, replace, values
from dashboard.views.answers import ANSWER, SURROUNDINGS
from dashboard.views.asides import ATTENTION, WORD
from exported_models.contract.workspace import Workspace
from tests.dashboard.serving import client_of

Json = dict[str, Any]

wishes = st.fixed_dictionaries(
    {
        "verb": st.sampled_from(
            ["open", "translate", "hypothesis", "neighbor", "undo", "redo", "revisit", "export", "choose", "force_node"]
        )
    },
    optional={
        "value": st.integers(-1, 99) | st.sampled_from(["trace", "picture", "3:1", "99999:0", "0:99999", "x"]),
        "fragment": st.text(max_size=9),
        "step": st.integers(-1, 40),
        "rank": st.integers(-1, 9),
        "node": st.integers(-1, 99),
    },
)


@pytest.fixture(scope="module")
def client(dates_workspace: Workspace) -> Iterator[TestClient]:
    with client_of(dates_workspace) as client:
        yield client


def ask(client: TestClient, path: str, question: Json) -> Any:
    """The reply to a question; infinity is written as browsers never would."""
    return client.post(path, content=json.dumps(question), headers={"Content-Type": "application/json"})


@pytest.mark.parametrize("path", [ANSWER, SURROUNDINGS, WORD, ATTENTION])
def test_the_question_that_the_others_are_made_of_is_answered(client: TestClient, path: str) -> None:
    reply = client.post(path, json=QUESTION)

    assert reply.status_code == 200
    assert "notice" not in reply.json()


@pytest.mark.parametrize("path", [ANSWER, SURROUNDINGS])
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(list(places_in(QUESTION))), value=values)
def test_no_value_anywhere_in_a_question_is_a_defect(
    client: TestClient, caplog: pytest.LogCaptureFixture, path: str, place: tuple[str, ...], value: Any
) -> None:
    reply = ask(client, path, replace(QUESTION, place, value))

    assert reply.status_code in (200, 422)
    assert caplog.records == []


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wish=wishes)
def test_no_wish_is_a_defect(client: TestClient, caplog: pytest.LogCaptureFixture, wish: Json) -> None:
    reply = ask(client, ANSWER, {**QUESTION, "wish": wish})

    assert reply.status_code in (200, 422)
    assert caplog.records == []


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff", b'{"history": {}}'])
def test_what_is_no_question_is_refused(client: TestClient, caplog: pytest.LogCaptureFixture, body: bytes) -> None:
    reply = client.post(ANSWER, content=body, headers={"Content-Type": "application/json"})

    assert reply.status_code in (400, 422)
    assert reply.json()["error"].endswith(".")
    assert caplog.records == []


def test_a_question_of_another_site_is_refused(client: TestClient) -> None:
    reply = client.post(ANSWER, content=json.dumps(QUESTION), headers={"Content-Type": "text/plain"})

    assert reply.status_code == 415


@pytest.mark.parametrize("body", [{}, {"output": 5}, {"output": "a.b", "inputs": 3, "changedPropIds": [1]}])
def test_no_callback_of_dash_answers(client: TestClient, caplog: pytest.LogCaptureFixture, body: Json) -> None:
    reply = client.post("/_dash-update-component", json=body)

    assert reply.status_code == 400
    assert "reload the page" in reply.json()["error"]
    assert caplog.records == []


def test_dash_has_no_callback_on_the_server(client: TestClient) -> None:
    callbacks = client.get("/_dash-dependencies").json()

    assert all(callback["clientside_function"] for callback in callbacks)
