"""The HTTP API over a real workspace: the same answers as the engine and the store give."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dashboard.services import Services
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from tests.dashboard.serving import client_of, probe

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


def test_translate_answers_as_the_engine_does(client: TestClient, services: Services) -> None:
    reply = client.post("/api/v1/translate", json=ASKED)

    trace = services.trace(Request("dates", SOURCE))
    assert reply.status_code == 200
    assert reply.json()["text"] == trace.best.text
    assert reply.json()["tokens"] == list(trace.best.tokens)


def test_a_what_if_is_the_same_call_with_one_field_changed(client: TestClient, services: Services) -> None:
    best = services.trace(Request("dates", SOURCE)).best
    other = next(token for token in "0123456789" if token != best.tokens[0])

    reply = client.post("/api/v1/translate", json={**ASKED, "prefix": [other]})

    assert reply.json()["tokens"][0] == other


@pytest.mark.parametrize("space", ["encoder", "decoder", "context"])
def test_neighbors_are_those_of_the_store(client: TestClient, services: Services, space: str) -> None:
    reply = client.post("/api/v1/neighbors", json={"request": ASKED, "space": space, "step": 2, "k": 4})

    store = services.store("dates")
    assert store is not None
    state = services.trace(Request("dates", SOURCE)).states(space)[2:3]
    wanted = store.neighbors(space, state, k=4, exclude_source=SOURCE)[0]
    (token,) = reply.json()["tokens"]
    assert [neighbor["row"] for neighbor in token["neighbors"]] == [neighbor.row for neighbor in wanted]
    assert {pair["sentence"] for pair in reply.json()["pairs"]} == {neighbor.sentence for neighbor in wanted}


@pytest.mark.parametrize("kind", ["mds", "pca", "tsne", "umap", "landmark_mds"])
def test_every_kind_of_map_places_every_token_and_neighbor(client: TestClient, kind: str) -> None:
    reply = client.post("/api/v1/project", json={"request": ASKED, "space": "decoder", "map": kind, "k": 5})

    found = reply.json()
    assert len(found["trajectory"]) == len(found["tokens"])
    rows = {neighbor["row"] for token in found["tokens"] for neighbor in token["neighbors"]}
    assert {place["row"] for place in found["places"]} == rows


def test_another_hypothesis_has_its_own_neighborhood(client: TestClient) -> None:
    def tokens(hypothesis: int) -> list[str]:
        asked = {"request": ASKED, "space": "decoder", "map": "pca", "k": 2, "hypothesis": hypothesis}
        reply = client.post("/api/v1/project", json=asked).json()
        return [token["token"] for token in reply["tokens"]]

    translation = client.post("/api/v1/translate", json=ASKED).json()
    assert [tokens(0), tokens(1)] == [entry["tokens"] for entry in translation["hypotheses"][:2]]


def test_the_corpus_map_is_the_same_every_time_and_as_long_as_asked(client: TestClient) -> None:
    first, second = (
        client.get("/api/v1/projection?model_id=dates&space=decoder&map=landmark_mds&limit=7").json() for _ in range(2)
    )

    assert first == second
    assert {len(first[name]) for name in ("rows", "x", "y", "tokens")} == {7}


def test_models_are_listed_with_their_spaces_and_store(client: TestClient) -> None:
    listed = client.get("/api/v1/models").json()

    (entry,) = listed["models"]
    assert entry["model_id"] == "dates"
    spaces = {space["name"]: space for space in entry["spaces"]}
    assert [name for name, space in spaces.items() if space["indexed"]] == ["encoder", "decoder", "context"]
    assert (spaces["attentional"]["kind"], spaces["attentional"]["stage"]) == ("on_demand", "prediction")
    assert (spaces["source_embedding"]["kind"], spaces["source_embedding"]["owner"]) == ("table", "source")
    assert entry["store_id"]
    assert listed["unreadable"] == []


def test_every_example_of_the_reference_is_answered(client: TestClient) -> None:
    page = client.get("/api/docs").text
    commands = [shlex.split(html.unescape(command)) for command in re.findall("<pre>(curl .*?)</pre>", page)]

    assert len(commands) == len(client.get("/api/v1/openapi.json").json()["paths"])
    for *options, address in commands:
        path = address.removeprefix("http://127.0.0.1:8050")
        body = options[options.index("-d") + 1] if "-d" in options else None
        headers = {"Content-Type": "application/json"}
        reply = client.post(path, content=body, headers=headers) if body else client.get(path)
        assert reply.status_code == 200, (path, reply.text)


def test_a_full_workspace_is_healthy_and_ready(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "up"}
    assert probe(client).json() == {"ready": True, "models": ["dates"], "missing": []}


def test_an_empty_workspace_is_healthy_but_not_ready(tmp_path: Path) -> None:
    client = client_of(Workspace(tmp_path))

    assert client.get("/healthz").status_code == 200
    reply = probe(client)
    assert reply.status_code == 503
    assert "beamscope build" in reply.json()["missing"][0]


def test_a_model_without_a_store_translates_and_says_how_to_get_one(dates_workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "exported_models").symlink_to(dates_workspace.models_folder)
    client = client_of(Workspace(tmp_path))

    assert client.post("/api/v1/translate", json=ASKED).status_code == 200
    assert probe(client).status_code == 200
    reply = client.post("/api/v1/neighbors", json={"request": ASKED, "space": "decoder", "step": 0})
    assert reply.status_code == 404
    assert "beamscope build" in reply.json()["error"]


def test_a_store_of_another_build_leaves_the_model_ready_to_translate(outdated_workspace: Workspace) -> None:
    client = client_of(outdated_workspace)

    assert client.post("/api/v1/translate", json=ASKED).status_code == 200
    ready = probe(client)
    assert ready.status_code == 200
    (missing,) = ready.json()["missing"]
    assert "was built with the model 'dates'" in missing
    listed = client.get("/api/v1/models").json()
    assert [(entry["store_id"], entry["store_error"]) for entry in listed["models"]] == [(None, missing)]
    reply = client.post("/api/v1/neighbors", json={"request": ASKED, "space": "decoder", "step": 0})
    assert reply.status_code == 409


def test_a_damaged_model_is_named_and_others_would_still_be_listed(dates_workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "exported_models" / "dates"
    folder.mkdir(parents=True)
    manifest = dates_workspace.model_folder("dates") / "manifest.json"
    (folder / "manifest.json").write_bytes(manifest.read_bytes())
    client = client_of(Workspace(tmp_path))

    reply = probe(client)
    assert reply.status_code == 503
    assert "is missing" in reply.json()["missing"][0]
    translation = client.post("/api/v1/translate", json=ASKED)
    assert translation.status_code == 409
    assert "export the model again" in translation.json()["error"]
