"""Metrics and the log: what is counted and written, and that no source text is."""

from __future__ import annotations

import json
import logging

import pytest
from fastapi.testclient import TestClient

from dashboard.serving import create_application
from dashboard.serving.logs import JsonFormatter, LineFormatter
from exported_models.contract.workspace import Workspace
from tests.dashboard.serving import LOOPBACK

SOURCE = "May 17, 1954"


@pytest.fixture
def client(dates_workspace: Workspace) -> TestClient:
    application = create_application(dates_workspace)

    @application.get("/api/v1/defect")
    def fail() -> None:
        raise KeyError(SOURCE)

    return TestClient(application, base_url=LOOPBACK)


def translate(client: TestClient, **changed: object) -> int:
    return client.post("/api/v1/translate", json={"model_id": "dates", "source": SOURCE} | changed).status_code


def test_requests_are_counted_by_call_and_outcome(client: TestClient) -> None:
    assert [translate(client), translate(client), translate(client, beam_size=0)] == [200, 200, 422]
    client.get("/")
    client.get("/api/v1/anything/at/all")

    lines = client.get("/metrics").text.splitlines()

    for line in (
        'beamscope_requests_total{call="translate",outcome="answered"} 2.0',
        'beamscope_requests_total{call="translate",outcome="refused"} 1.0',
        'beamscope_requests_total{call="page",outcome="answered"} 1.0',
        'beamscope_requests_total{call="unknown",outcome="refused"} 1.0',
        'beamscope_request_seconds_count{call="translate"} 3.0',
        "beamscope_calls_running 0.0",
    ):
        assert line in lines
    figures = {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}
    assert figures["beamscope_cached_trace_bytes"] > 1000
    assert figures["process_resident_memory_bytes"] > 1e7
    published = [name for name in figures if name.startswith("beamscope_published_timestamp_seconds")]
    assert {'kind="model"' in name for name in published} == {True, False}


def test_every_answer_has_the_id_of_its_request(client: TestClient) -> None:
    def ask(sent: str) -> str:
        return str(client.get("/healthz", headers={"X-Request-ID": sent}).headers["x-request-id"])

    assert ask("from-a-proxy.7") == "from-a-proxy.7"
    assert len({ask("not fit\tfor a log"), ask("not fit\tfor a log"), "not fit\tfor a log"}) == 3


def test_an_unexpected_error_leads_to_its_place_in_the_log(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    reply = client.get("/api/v1/defect")

    request_id = reply.headers["x-request-id"]
    assert reply.status_code == 500
    assert request_id in reply.json()["error"]
    record = next(record for record in caplog.records if record.exc_info)
    for formatter in (LineFormatter(), JsonFormatter()):
        text = formatter.format(record)
        assert "KeyError" in text
        assert "in fail" in text
        assert SOURCE not in text
    assert SOURCE in LineFormatter(with_texts=True).format(record)


def test_a_request_is_one_line_or_one_object_without_its_text(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "beamscope.requests"):
        translate(client)
        client.get("/api/v1/projection", params={"model_id": "dates", "space": SOURCE})

    first, second = (record for record in caplog.records if record.name == "beamscope.requests")
    line = LineFormatter().format(first)
    assert "INFO POST /api/v1/translate 200 request=" in line
    document = json.loads(JsonFormatter().format(second))
    assert (document["outcome"], document["message"]) == ("refused", "GET /api/v1/projection 404")
    assert document["milliseconds"] > 0
    assert SOURCE not in line + json.dumps(document)
