"""The server as a process: how fast it answers, and how it ends."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dashboard.state.page_state import PageState
from dashboard.state.url_state import encode_fragment
from dashboard.views.answers import ANSWER
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace

CHILD = """
import socket, sys, time
from pathlib import Path
from dashboard.serving import create_application
from dashboard.serving.limits import Limits
from dashboard.serving.server import serve
from exported_models.contract.workspace import Workspace

limits = Limits(running=2, waiting=4, head_seconds=1.0, body_seconds=1.0, send_seconds=1.0, connections=40)
application = create_application(Workspace(Path(sys.argv[1])), limits=limits)

@application.get("/search")
def search() -> None:
    print("searching", flush=True)
    time.sleep(60)

@application.get("/api/v1/compute")
def compute() -> str:
    time.sleep(1.0)
    return "computed"

@application.get("/much")
async def much() -> str:
    return "x" * 50_000_000

with socket.create_server(("127.0.0.1", 0)) as listening:
    print(listening.getsockname()[1], flush=True)
    serve(application, listening, limits)
"""
ROOT = Path(__file__).resolve().parents[2]
DELAYED_ACKNOWLEDGEMENT = 0.04
"""Seconds that Linux at least waits before it acknowledges a segment that nothing is sent back for."""


@dataclass
class Running:
    """A server over a workspace, with short patience.

    ``/search`` takes a minute, ``/api/v1/compute`` a second of one of two places, ``/much`` answers with 50 MB.
    """

    process: subprocess.Popen[str]
    port: int

    def connect(self) -> closing[http.client.HTTPConnection]:
        return closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20))

    def say(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def connect_raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


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


@dataclass(frozen=True)
class Reply:
    """An answer, and the seconds it took."""

    status: int
    retry_after: str | None
    seconds: float


def ask(server: Running, path: str) -> Reply:
    begun = time.perf_counter()
    with server.connect() as connection:
        connection.request("GET", path)
        reply = connection.getresponse()
        reply.read()
        return Reply(reply.status, reply.headers["Retry-After"], time.perf_counter() - begun)


def test_a_crowd_is_refused_at_once_and_probes_are_answered_meanwhile(tmp_path: Path) -> None:
    with running(tmp_path) as server, ThreadPoolExecutor(20) as clients:
        crowd = [clients.submit(ask, server, "/api/v1/compute") for _ in range(16)]
        time.sleep(0.2)
        probes = sorted(ask(server, path).seconds for path in ("/healthz", "/readyz") * 5)
        replies = [each.result() for each in crowd]

    refused = [reply for reply in replies if reply.status == 503]
    assert sorted(reply.status for reply in replies) == [200] * 6 + [503] * 10
    assert {reply.retry_after for reply in refused} == {"1"}
    assert sorted(reply.seconds for reply in refused)[len(refused) // 2] < 1
    assert probes[len(probes) // 2] < 0.1


@pytest.mark.parametrize(
    "part",
    [b"", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"],
    ids=["nothing", "half a head"],
)
def test_half_open_connections_are_closed(tmp_path: Path, part: bytes) -> None:
    with running(tmp_path) as server, server.connect_raw() as connection:
        connection.sendall(part)
        begun = time.monotonic()

        assert is_closed(connection)
        assert time.monotonic() - begun < 10


def test_a_head_that_comes_in_drops_is_not_waited_for(tmp_path: Path) -> None:
    with running(tmp_path) as server, server.connect_raw() as connection:
        connection.settimeout(0.1)
        for _ in range(200):
            with suppress(TimeoutError):
                connection.sendall(b"G")
                if is_closed(connection):
                    return
    pytest.fail("the connection is still open")


def test_a_body_that_does_not_arrive_is_refused(tmp_path: Path) -> None:
    with running(tmp_path) as server, server.connect_raw() as connection:
        head = b"POST /api/v1/translate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n"
        connection.sendall(head + b"Content-Type: application/json\r\n\r\n{")

        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_an_answer_that_nobody_reads_is_dropped(tmp_path: Path) -> None:
    with running(tmp_path) as server, server.connect_raw() as connection:
        connection.sendall(b"GET /much HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        time.sleep(3)

        assert count_bytes(connection) < 50_000_000


def test_more_connections_than_allowed_are_closed(tmp_path: Path) -> None:
    with running(tmp_path) as server, ExitStack() as held:
        connections = [held.enter_context(server.connect_raw()) for _ in range(45)]
        assert is_closed(connections[-1])
        assert ask_on(connections[0]).startswith(b"HTTP/1.1 200")


def test_a_translation_that_the_page_stops_ends_on_the_server(dates_workspace: Workspace) -> None:
    quick = Request("dates", "March 3, 1999 " * 20, beam_size=40, max_length=1024)
    slow = replace(quick, min_length=1024)
    with running(dates_workspace.root) as server:
        translate(server, quick)
        kept = read_figure(server, "beamscope_cached_trace_bytes")
        with server.connect() as leaving:
            post(leaving, slow)
            wait_until(lambda: read_figure(server, "beamscope_calls_running") == 1)
            time.sleep(0.2)
        begun = time.monotonic()
        wait_until(lambda: read_figure(server, "beamscope_calls_running") == 0)
        stopped = time.monotonic()

        assert read_figure(server, 'beamscope_requests_total{call="answer",outcome="gone"}') == 1
        assert read_figure(server, "beamscope_cached_trace_bytes") == kept
        # Whoever asks again is answered, and waits for it far longer.
        asked = time.monotonic()
        assert translate(server, slow)["state"]["request"]["min_length"] == slow.min_length
        assert stopped - begun < (time.monotonic() - asked) / 3


def post(connection: http.client.HTTPConnection, request: Request) -> None:
    """Ask for a translation as the page does."""
    wish = {"verb": "open", "fragment": encode_fragment(PageState(request))}
    connection.request("POST", ANSWER, json.dumps({"wish": wish}), {"Content-Type": "application/json"})


def translate(server: Running, request: Request) -> Any:
    """The page's answer."""
    with server.connect() as connection:
        post(connection, request)
        return json.loads(connection.getresponse().read())


def read_figure(server: Running, name: str) -> float:
    """What the server says of itself."""
    with server.connect() as connection:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    return next(float(line.removeprefix(name)) for line in lines if line.startswith(f"{name} "))


def wait_until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ask_on(connection: socket.socket) -> bytes:
    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    return connection.recv(4096)


def count_bytes(connection: socket.socket) -> int:
    """Bytes that arrive until the server closes the connection."""
    received = 0
    with suppress(ConnectionResetError):
        while part := connection.recv(1 << 20):
            received += len(part)
    return received


def is_closed(connection: socket.socket) -> bool:
    """Whether the server closes a connection."""
    try:
        return connection.recv(1) == b""
    except (ConnectionResetError, BrokenPipeError):
        return True
