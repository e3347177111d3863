"""A name that someone else's DNS points at this machine reaches nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from exported_models.contract.workspace import Workspace
from tests.dashboard.serving import client_of


@pytest.fixture
def local(tmp_path: Path) -> TestClient:
    return client_of(Workspace(tmp_path))


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8050", "localhost:8050", "localhost", "LOCALHOST:1", "[::1]:8050", "127.9.9.9", "app.localhost"]
)
def test_loopback_names_are_answered(local: TestClient, host: str) -> None:
    assert local.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8050", "192.168.1.7:8050", "localhost.evil.example", "127.0.0.1.evil.example"],
)
def test_other_names_are_not(local: TestClient, host: str) -> None:
    reply = local.get("/", headers={"Host": host})

    assert reply.status_code == 421
    assert reply.json()["error"].endswith(".")


def test_the_name_it_was_bound_to_is_answered_besides_loopback(tmp_path: Path) -> None:
    client = client_of(Workspace(tmp_path), "workstation.lan")

    assert client.get("/", headers={"Host": "workstation.lan:8050"}).status_code == 200
    assert client.get("/", headers={"Host": "localhost:8050"}).status_code == 200
    assert client.get("/", headers={"Host": "other.lan:8050"}).status_code == 421


@pytest.mark.parametrize("every_interface", ["0.0.0.0", "::"])
def test_a_server_opened_to_every_interface_answers_under_any_name(tmp_path: Path, every_interface: str) -> None:
    client = client_of(Workspace(tmp_path), every_interface)

    assert client.get("/", headers={"Host": "workstation.lan"}).status_code == 200
