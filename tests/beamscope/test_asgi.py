"""The workbench under an ASGI server of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from beamscope.asgi import create_app
from beamscope.errors import CommandError


def test_it_serves_the_workspace_and_host_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEAMSCOPE_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("BEAMSCOPE_HOST", "workbench.example")

    client = TestClient(create_app(), base_url="http://workbench.example")

    assert str(tmp_path) in str(client.get("/_dash-layout").json())
    assert client.get("/", headers={"Host": "other.example"}).status_code == 421


def test_it_answers_only_this_machine_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BEAMSCOPE_WORKSPACE", raising=False)
    monkeypatch.delenv("BEAMSCOPE_HOST", raising=False)

    client = TestClient(create_app(), base_url="http://localhost")

    assert client.get("/healthz").status_code == 200
    assert client.get("/healthz", headers={"Host": "workbench.example"}).status_code == 421


def test_a_workspace_that_is_a_file_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BEAMSCOPE_WORKSPACE", str(tmp_path / "file"))

    with pytest.raises(CommandError, match="is a file"):
        create_app()
