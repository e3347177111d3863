"""A client of the whole application, guards and all, without a socket."""

from __future__ import annotations

from fastapi.testclient import TestClient

from dashboard.serving import create_application
from exported_models.contract.workspace import Workspace

LOOPBACK = "http://127.0.0.1"


def client_of(workspace: Workspace, host: str = "127.0.0.1") -> TestClient:
    """A client of the application over a workspace, as bound to ``host``."""
    return TestClient(create_application(workspace, host), base_url=LOOPBACK)
