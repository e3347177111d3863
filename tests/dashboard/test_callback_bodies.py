"""Calls to the page's callbacks that the page did not write: refused in a sentence, and no news for the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exported_models.contract.workspace import Workspace
from tests.dashboard.serving import client_of

CALLBACKS = "/_dash-update-component"

Json = dict[str, Any]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    empty: Path = tmp_path_factory.mktemp("empty")
    with client_of(Workspace(empty)) as client:
        yield client


@pytest.fixture(scope="module")
def calls(client: TestClient) -> list[Json]:
    """A well-formed call of each callback that runs on the server, all values null."""
    dependencies = client.get("/_dash-dependencies").json()
    return [call_of(callback) for callback in dependencies if not callback.get("clientside_function")]


def call_of(callback: Json) -> Json:
    names = callback["output"].strip(".").split("...")
    outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in names]
    return {
        "output": callback["output"],
        "outputs": outputs if callback["output"].startswith("..") else outputs[0],
        "inputs": [{**wired, "value": None} for wired in callback["inputs"]],
        "state": [{**wired, "value": None} for wired in callback["state"]],
        "changedPropIds": [],
    }


def post(client: TestClient, body: bytes, content_type: str = "application/json") -> Any:
    return client.post(CALLBACKS, content=body, headers={"Content-Type": content_type})


def test_calls_of_the_page_pass(client: TestClient, calls: list[Json]) -> None:
    assert calls
    assert {client.post(CALLBACKS, json=call).status_code for call in calls} <= {200, 204}


@pytest.mark.parametrize(
    "change",
    [
        {"output": "nobody.children"},
        {"output": 5},
        {"outputs": "text"},
        {"outputs": [{"id": "a", "property": "b"}] * 9},
        {"inputs": 5},
        {"inputs": []},
        {"inputs": [5]},
        {"inputs": [{"id": "stranger", "property": "value"}]},
        {"inputs": None},
        {"state": {"a": 1}},
        {"state": [{"id": "a"}] * 3},
        {"changedPropIds": 7},
        {"changedPropIds": [7]},
    ],
)
def test_a_call_that_is_none_of_the_page_is_refused(
    client: TestClient, calls: list[Json], caplog: pytest.LogCaptureFixture, change: Json
) -> None:
    reply = client.post(CALLBACKS, json={**calls[0], **change})

    assert reply.status_code == 400
    assert "reload the page" in reply.json()["error"]
    assert caplog.records == []


def test_a_call_to_a_callback_of_the_browser_is_refused(client: TestClient) -> None:
    dependencies = client.get("/_dash-dependencies").json()
    clientside = next(callback for callback in dependencies if callback.get("clientside_function"))

    assert client.post(CALLBACKS, json=call_of(clientside)).status_code == 400


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff"])
def test_what_is_no_call_at_all_is_refused(client: TestClient, caplog: pytest.LogCaptureFixture, body: bytes) -> None:
    assert post(client, body).status_code == 400
    assert caplog.records == []


def test_only_json_is_read(client: TestClient, calls: list[Json]) -> None:
    assert post(client, json.dumps(calls[0]).encode(), "text/plain").status_code == 400


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_body_makes_the_page_fail(client: TestClient, calls: list[Json], data: st.DataObject) -> None:
    call = data.draw(st.sampled_from(calls))
    place = data.draw(st.sampled_from([*call, "inputs.0", "inputs.0.id", "inputs.0.property"]))
    name, _, rest = place.partition(".")
    changed = json.loads(json.dumps(call))
    drawn = data.draw(values)
    if not rest:
        changed[name] = drawn
    elif rest == "0":
        changed[name][0] = drawn
    else:
        changed[name][0][rest.partition(".")[2]] = drawn

    assert client.post(CALLBACKS, json=changed).status_code < 500
