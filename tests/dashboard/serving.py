"""A client of the whole application, guards and all, without a socket."""

from __future__ import annotations

import time
from typing import Any

from fastapi.testclient import TestClient

from dashboard.api.readiness import OPENING
from dashboard.serving import create_application
from dashboard.site import Site
from exported_models.contract.workspace import Workspace

LOOPBACK = "http://127.0.0.1"
OPENING_SECONDS = 60
"""Far more than opening the models of a test takes."""


def client_of(workspace: Workspace, host: str = "127.0.0.1") -> TestClient:
    """A client of the application over a workspace, as bound to ``host``."""
    return client_at(workspace, Site(host=host))


def client_at(workspace: Workspace, site: Site, address: str = "testclient") -> TestClient:
    """A client, at an address of its own, of the application at a site."""
    return TestClient(create_application(workspace, site), base_url=LOOPBACK, client=(address, 50_000))


def probe(client: TestClient) -> Any:
    """The reply to a readiness probe once the models were opened."""
    deadline = time.monotonic() + OPENING_SECONDS
    while (reply := client.get("/readyz")).json() == OPENING.model_dump():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return reply
