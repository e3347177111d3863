"""`beamscope serve --workers`: processes that share an address, are replaced one by one, and end together."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from exported_models.contract.workspace import Workspace
from tests.beamscope.test_workbench import Server, started

PATIENCE = 60


def children_of(server: Server) -> set[int]:
    """The processes that serve."""
    text = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text(encoding="utf-8")
    return set(map(int, text.split()))


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ask(address: str, path: str) -> tuple[int, bytes]:
    """An answer over a connection of its own."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


@pytest.mark.slow
def test_workers_are_replaced_without_a_failed_request(dates_workspace: Workspace, tmp_path: Path) -> None:
    arguments = ["serve", "--workers", "2", "--port", "0", "--workspace", str(dates_workspace.root)]
    answers: list[int] = []
    failures: list[Exception] = []
    over = threading.Event()

    def keep_asking() -> None:
        while not over.is_set():
            try:
                answers.append(ask(server.address, "/healthz")[0])
            except OSError as error:
                failures.append(error)

    with started(*arguments, cwd=tmp_path) as server:
        first = children_of(server)
        assert len(first) == 2
        asking = [threading.Thread(target=keep_asking) for _ in range(2)]
        for thread in asking:
            thread.start()

        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not first & children_of(server))
        second = children_of(server)
        over.set()
        for thread in asking:
            thread.join()
        assert len(second) == 2
        assert failures == []
        assert set(answers) == {200}
        counted = float(
            next(
                line.rsplit(b" ", 1)[1]
                for line in ask(server.address, "/metrics")[1].splitlines()
                if line.startswith(b'beamscope_requests_total{call="probe",outcome="answered"}')
            )
        )
        assert counted == len(answers)

        killed = min(second)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: killed not in children_of(server) and len(children_of(server)) == 2)
        assert server.end(signal.SIGTERM) == (0, "")
        assert not any(Path(f"/proc/{child}").exists() for child in second)
