"""Whatever comes in, the API answers with a status of the caller's, one sentence and the field at fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard.services import Services
from exported_models.contract.errors import MAX_ECHO
from exported_models.contract.workspace import Workspace
from state_store.neighborhood import MAP_KINDS
from tests.dashboard.serving import client_of

ASKED = {"model_id": "dates", "source": "March 3, 1999"}
LONG = "ü" * 20_000
POSTS = ("/api/v1/translate", "/api/v1/neighbors", "/api/v1/project")

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
overrides = st.lists(
    st.fixed_dictionaries(
        {"step": st.integers(-2, 40), "weights": st.lists(st.tuples(st.integers(), st.floats()), max_size=3)},
        optional={"layer": st.integers(), "head": st.integers()},
    ),
    max_size=2,
)
requests = st.fixed_dictionaries(
    {"model_id": st.sampled_from(["dates", "dates", "dates", "", "..", "nope"]) | st.text(), "source": st.text()},
    optional={
        "prefix": st.lists(st.sampled_from("0123456789-</s>") | st.text(max_size=3), max_size=4),
        "overrides": overrides | values,
        "beam_size": st.integers(-1, 3) | values,
        "length_penalty": st.floats() | values,
        "max_length": st.integers(-1, 8) | values,
        "top_k": st.integers(-1, 8) | values,
        "early_stopping": st.sampled_from(["estimate", "first", "never", "now"]),
    },
)
questions = st.fixed_dictionaries(
    {"request": requests, "space": st.sampled_from(["encoder", "decoder", "context", "x"]), "step": st.integers()},
    optional={"map": st.sampled_from(["mds", "umap", "x"]), "k": st.integers(-1, 5), "hypothesis": st.integers(-1, 9)},
)
bodies = st.one_of(values, requests, questions).map(lambda value: json.dumps(value).encode())


@pytest.fixture(scope="module")
def client(dates_workspace: Workspace) -> Iterator[TestClient]:
    with client_of(dates_workspace) as client:
        yield client


def post(client: TestClient, path: str, body: bytes | str, content_type: str = "application/json") -> Any:
    """The reply to a body as it stands."""
    return client.post(path, content=body, headers={"Content-Type": content_type})


def refuse(reply: Any, status: int, field: str = "") -> str:
    """Check that a reply refuses, and return its sentence."""
    assert reply.status_code == status
    assert reply.headers["Content-Type"] == "application/json"
    assert set(reply.json()) == {"error", "field"}
    assert reply.json()["field"] == field
    sentence: str = reply.json()["error"]
    assert sentence.endswith(".")
    assert "Traceback" not in sentence
    return sentence


@pytest.mark.parametrize("path", POSTS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies | st.binary(max_size=64))
def test_no_body_makes_the_server_fail(client: TestClient, path: str, body: bytes) -> None:
    reply = post(client, path, body)

    assert reply.status_code in {200, 400, 404, 422}
    if reply.status_code != 200:
        assert reply.json()["error"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.dictionaries(st.sampled_from(["model_id", "space", "map", "limit", "other"]), st.text(max_size=6)))
def test_no_query_makes_the_server_fail(client: TestClient, query: dict[str, str]) -> None:
    assert client.get("/api/v1/projection", params=query).status_code in {404, 422}


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"source": ""}, 422, "source"),
        ({"source": "x" * 5000}, 422, "source"),
        ({"source": "March\x003"}, 422, "source"),
        ({"source": "3 🦄 1999"}, 422, "source"),
        ({"prefix": ["nonsense"]}, 422, "prefix"),
        ({"beam_size": 0}, 422, "beam_size"),
        ({"beam": 3}, 422, "beam"),
        ({"overrides": [{"step": 99, "weights": [[0, 1.0]]}]}, 422, "overrides"),
        ({"overrides": [{"step": 0, "weights": [[99, 1.0]]}]}, 422, "overrides"),
        ({"model_id": "nope"}, 404, "model_id"),
        ({"model_id": "../../etc"}, 404, "model_id"),
    ],
)
def test_a_request_that_cannot_be_answered_names_its_field(
    client: TestClient, change: dict[str, Any], status: int, field: str
) -> None:
    refuse(client.post("/api/v1/translate", json={**ASKED, **change}), status, field)


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"space": "nowhere"}, 404, "space"),
        ({"step": 99}, 422, "step"),
        ({"step": -1}, 422, "step"),
        ({"k": 0}, 422, "k"),
        ({"hypothesis": 99}, 422, "hypothesis"),
        ({"request": {**ASKED, "source": ""}}, 422, "source"),
        ({"request": {"source": "a"}}, 422, "request.model_id"),
    ],
)
def test_a_state_that_does_not_exist_names_its_field(
    client: TestClient, change: dict[str, Any], status: int, field: str
) -> None:
    asked = {"request": ASKED, "space": "decoder", "step": 0, **change}

    refuse(client.post("/api/v1/neighbors", json=asked), status, field)


def test_an_unknown_model_or_space_lists_the_known_ones(client: TestClient) -> None:
    model = refuse(client.post("/api/v1/translate", json={**ASKED, "model_id": "nope"}), 404, "model_id")
    space = refuse(client.get("/api/v1/projection?model_id=dates&space=x"), 404, "space")

    assert "dates" in model
    assert "decoder" in space


def test_an_unknown_map_lists_the_known_ones(client: TestClient) -> None:
    asked = {"request": ASKED, "space": "decoder", "map": "sammon"}

    sentence = refuse(client.post("/api/v1/project", json=asked), 422, "map")

    assert all(f"'{kind}'" in sentence for kind in MAP_KINDS)


@pytest.mark.parametrize(
    ("change", "field", "known"),
    [
        ({"beams": 3}, "beams", "beam_size"),
        ({"overrides": [{"step": 0, "weights": [], "row": 1}]}, "overrides.0.row", "step, weights, layer, head"),
    ],
)
def test_an_unknown_field_lists_the_known_ones(
    client: TestClient, change: dict[str, Any], field: str, known: str
) -> None:
    assert known in refuse(client.post("/api/v1/translate", json={**ASKED, **change}), 422, field)


@pytest.mark.parametrize(
    "change", [{"top_k": True}, {"beam_size": "3"}, {"max_length": 5.5}, {"overrides": [{"step": True, "weights": []}]}]
)
def test_what_is_no_whole_number_is_not_read_as_one(client: TestClient, change: dict[str, Any]) -> None:
    assert client.post("/api/v1/translate", json={**ASKED, **change}).status_code == 422


@pytest.mark.parametrize(
    "change",
    [
        {"length_penalty": True},
        {"length_penalty": "1"},
        {"overrides": [{"step": 0, "weights": [[0, True]]}]},
        {"beam_size": 10**400},
        {"overrides": [{"step": 1e300, "weights": [[0, 1]]}]},
    ],
)
def test_what_is_no_number_or_too_large_is_not_read_as_one(client: TestClient, change: dict[str, Any]) -> None:
    assert client.post("/api/v1/translate", json={**ASKED, **change}).status_code == 422


def test_a_whole_number_may_be_written_with_a_decimal_point(client: TestClient) -> None:
    reply = client.post("/api/v1/translate", json={**ASKED, "beam_size": 2.0, "top_k": 3.0})

    assert reply.status_code == 200
    assert reply.json()["request"]["beam_size"] == 2


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("translate", {"model_id": LONG}),
        ("translate", {LONG: 1}),
        ("translate", {"prefix": [LONG]}),
        ("translate", {"early_stopping": LONG}),
        ("translate", {"overrides": [{"step": 0, "weights": [], LONG: 1}]}),
        ("neighbors", {"space": LONG}),
        ("project", {"map": LONG}),
        (LONG[:5000], {}),
    ],
)
def test_an_error_repeats_little_of_what_was_sent(client: TestClient, path: str, change: dict[str, Any]) -> None:
    question = {"request": ASKED, "space": "decoder", **({"step": 0} if path == "neighbors" else {})}

    reply = client.post(f"/api/v1/{path}", json={**(ASKED if path == "translate" else question), **change})

    assert reply.status_code in (404, 422)
    assert reply.text.count("ü") <= 2 * MAX_ECHO
    assert len(reply.json()["error"]) <= 300


def test_deep_nesting_and_half_a_character_are_bad_requests(client: TestClient) -> None:
    for body in (b"[" * 3000, b'{"a":' * 3000, b'{"model_id": "dates", "source": "\\ud800"}', b"\xff\xfe", b"9" * 5000):
        refuse(post(client, "/api/v1/translate", body), 400)


@pytest.mark.parametrize("path", ["/api/v1/translate", "/api/v1/models", "/healthz", "/api/v1/openapi.json"])
def test_options_names_the_methods_there_are_and_no_others(client: TestClient, path: str) -> None:
    reply = client.options(path)

    allowed = reply.headers["Allow"].split(", ")
    assert reply.status_code == 204
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        assert (client.request(method, path).status_code != 405) == (method in allowed)


def test_a_probe_may_leave_the_body_out(client: TestClient) -> None:
    reply = client.head("/healthz")

    assert reply.status_code == 200
    assert reply.content == b""


@pytest.mark.parametrize(
    "body", [b"", b"{", json.dumps({**ASKED, "top_k": "x"}).encode(), json.dumps(ASKED).encode() * 2]
)
def test_the_mistakes_of_a_client_are_no_news_for_the_log(
    client: TestClient, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    assert post(client, "/api/v1/translate", body).status_code in (400, 422)
    assert caplog.records == []


def test_broken_json_is_a_bad_request(client: TestClient) -> None:
    reply = post(client, "/api/v1/translate", b'{"source":')

    assert refuse(reply, 400).startswith("The body is not JSON: EOF")


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_foreign_page_can_post_without_a_preflight_is_refused(client: TestClient, content_type: str) -> None:
    body = json.dumps(ASKED)

    refuse(post(client, "/api/v1/translate", body, content_type), 415)


def test_a_body_over_the_limit_is_refused(client: TestClient) -> None:
    body = json.dumps({**ASKED, "source": "x" * 70_000})

    refuse(post(client, "/api/v1/translate", body), 413)


def test_a_wrong_method_is_told_the_right_one(client: TestClient) -> None:
    reply = client.get("/api/v1/translate")

    assert "POST" in refuse(reply, 405)
    assert reply.headers["Allow"] == "POST"
    refuse(client.post("/api/v1/models", json={}), 405)
    refuse(client.post("/healthz", json={}), 405)


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/translate/more"])
def test_an_unknown_path_lists_the_known_ones(client: TestClient, path: str) -> None:
    assert "/api/v1/translate" in refuse(client.get(path), 404)


def test_what_nobody_foresaw_is_one_sentence_and_a_line_in_the_log(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_services: Services, _request: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(Services, "trace", fail)

    sentence = refuse(client.post("/api/v1/translate", json=ASKED), 500)

    assert "defect" not in sentence
    assert "ZeroDivisionError" in caplog.text
