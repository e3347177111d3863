"""The server as a process: how fast it answers, and how it ends."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

CHILD = """
import socket, sys, time
from pathlib import Path
from dashboard.serving import create_application
from dashboard.serving.server import serve
from exported_models.contract.workspace import Workspace

application = create_application(Workspace(Path(sys.argv[1])))

@application.get("/search")
def search() -> None:
    print("searching", flush=True)
    time.sleep(60)

with socket.create_server(("127.0.0.1", 0)) as listening:
    print(listening.getsockname()[1], flush=True)
    serve(application, listening)
"""
ROOT = Path(__file__).resolve().parents[2]
DELAYED_ACKNOWLEDGEMENT = 0.04
"""Seconds that Linux at least waits before it acknowledges a segment that nothing is sent back for."""


@dataclass
class Running:
    """A server over an empty workspace, with a call ``/search`` that takes a minute."""

    process: subprocess.Popen[str]
    port: int

    def connect(self) -> closing[http.client.HTTPConnection]:
        return closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20))

    def say(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@contextmanager
def running(workspace: Path) -> Iterator[Running]:
    command = [sys.executable, "-c", CHILD, str(workspace)]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE) as process:
        try:
            server = Running(process, 0)
            server.port = int(server.say())
            yield server
        finally:
            process.kill()


def test_no_answer_waits_for_an_acknowledgement(tmp_path: Path) -> None:
    with running(tmp_path) as server, server.connect() as connection:
        seconds = []
        for _ in range(60):
            begun = time.perf_counter()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            seconds.append(time.perf_counter() - begun)

    # The first segments of a connection are acknowledged at once.
    assert min(seconds[30:]) < DELAYED_ACKNOWLEDGEMENT / 2


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_while_a_search_runs(tmp_path: Path, ending: signal.Signals) -> None:
    with running(tmp_path) as server, server.connect() as connection:
        connection.request("GET", "/search")
        assert server.say() == "searching"

        server.process.send_signal(ending)

        assert server.process.wait(timeout=20) == 0
