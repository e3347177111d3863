"""A name that someone else's DNS points at this machine reaches nothing."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.api import register_host_check


def serve(bound_host: str) -> FlaskClient:
    server = Flask("guarded")
    server.add_url_rule("/", "page", lambda: "the page")
    register_host_check(server, bound_host)
    return server.test_client()


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8050", "localhost:8050", "localhost", "LOCALHOST:1", "[::1]:8050", "127.9.9.9", "app.localhost"]
)
def test_loopback_names_are_answered(host: str) -> None:
    assert serve("127.0.0.1").get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8050", "192.168.1.7:8050", "localhost.evil.example", "127.0.0.1.evil.example"],
)
def test_other_names_are_not(host: str) -> None:
    reply = serve("127.0.0.1").get("/", headers={"Host": host})

    assert reply.status_code == 421
    assert reply.json is not None
    assert reply.json["error"].endswith(".")


def test_the_name_it_was_bound_to_is_answered_besides_loopback() -> None:
    client = serve("workstation.lan")

    assert client.get("/", headers={"Host": "workstation.lan:8050"}).status_code == 200
    assert client.get("/", headers={"Host": "localhost:8050"}).status_code == 200
    assert client.get("/", headers={"Host": "other.lan:8050"}).status_code == 421


@pytest.mark.parametrize("every_interface", ["0.0.0.0", "::"])
def test_a_server_opened_to_every_interface_answers_under_any_name(every_interface: str) -> None:
    assert serve(every_interface).get("/", headers={"Host": "workstation.lan"}).status_code == 200
