"""The gate before calls that compute: how many run, wait, are refused, and give up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from dashboard.services import Services
from dashboard.serving.gate import Gate
from dashboard.serving.limits import Limits
from dashboard.serving.metrics import Metrics
from exported_models.contract.workspace import Workspace
from exported_models.runtime.cancellation import UnwantedError, check_wanted

LIMITS = Limits(running=2, maps=1, waiting=3, queue_seconds=0.3)
COMPUTED = "/api/v1/translate"
MAP = "/api/v1/project"


class Computing:
    """An application whose calls last until they are let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.stopped = 0
        self.go = asyncio.Event()

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        self.begun += 1
        assert (await receive())["body"] == b"asked"
        await self.go.wait()
        try:
            check_wanted()
        except UnwantedError:
            self.stopped += 1
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Client:
    """A client of the gate; it stays until it leaves."""

    def __init__(self, gate: Gate, path: str = COMPUTED) -> None:
        self.sent: list[Message] = []
        self.leave = asyncio.Event()
        self._asked = False
        self.call = asyncio.create_task(
            gate({"type": "http", "path": path, "method": "POST"}, self._receive, self._send)
        )

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"asked", "more_body": False}
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)


def run(scenario: Callable[[Gate, Computing], Awaitable[Any]], limits: Limits = LIMITS) -> None:
    async def play() -> None:
        computing = Computing()
        metrics = Metrics(Services.open(Workspace(Path())))
        await asyncio.wait_for(scenario(Gate(computing, limits, metrics), computing), timeout=20)

    asyncio.run(play())


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_few_run_a_few_wait_and_the_rest_are_refused_at_once() -> None:
    async def scenario(gate: Gate, computing: Computing) -> None:
        clients = [Client(gate) for _ in range(7)]
        await settle()
        assert computing.begun == 2
        assert [client.status for client in clients] == [None] * 5 + [503] * 2
        headers = dict(clients[-1].sent[0]["headers"])
        assert headers[b"retry-after"] == b"1"
        assert "is busy" in json.loads(clients[-1].sent[1]["body"])["error"]

        computing.go.set()
        await asyncio.gather(*(client.call for client in clients))
        assert [client.status for client in clients[:5]] == [200] * 5

    run(scenario)


def test_a_place_is_given_back_for_the_next() -> None:
    async def scenario(gate: Gate, computing: Computing) -> None:
        computing.go.set()
        for _ in range(3):
            clients = [Client(gate) for _ in range(4)]
            await asyncio.gather(*(client.call for client in clients))
            assert {client.status for client in clients} == {200}

    run(scenario)


def test_probes_and_files_never_wait() -> None:
    async def scenario(gate: Gate, computing: Computing) -> None:
        _crowd = [Client(gate) for _ in range(5)]
        await settle()

        passing = [Client(gate, path) for path in ("/healthz", "/readyz", "/", "/assets/app.js")]
        await settle()

        assert computing.begun == 2 + len(passing)
        computing.go.set()
        await asyncio.gather(*(client.call for client in (*_crowd, *passing)))

    run(scenario)


def test_who_waits_too_long_is_refused() -> None:
    async def scenario(gate: Gate, computing: Computing) -> None:
        clients = [Client(gate) for _ in range(3)]

        await clients[2].call
        assert clients[2].status == 503

        computing.go.set()
        await asyncio.gather(*(client.call for client in clients))
        assert [client.status for client in clients] == [200, 200, 503]

    run(scenario)


def test_a_map_that_would_wait_too_long_is_refused_at_once() -> None:
    async def scenario(gate: Gate, computing: Computing) -> None:
        slow, after = Client(gate, MAP), Client(gate, MAP)
        await asyncio.sleep(0.1)
        computing.go.set()
        await asyncio.gather(slow.call, after.call)
        computing.go.clear()

        running, waiting, late = (Client(gate, MAP) for _ in range(3))
        await settle()
        assert [client.status for client in (running, waiting, late)] == [None, None, 503]

        small = Client(gate)
        computing.go.set()
        await asyncio.gather(*(client.call for client in (running, waiting, small)))
        assert {client.status for client in (running, waiting, small)} == {200}

    run(scenario, Limits(running=2, maps=1, waiting=3, queue_seconds=20, map_queue_seconds=0.05))


def test_who_leaves_the_queue_makes_room_and_is_not_computed() -> None:
    async def scenario(gate: Gate, computing: Computing) -> None:
        clients = [Client(gate) for _ in range(5)]
        await settle()
        for client in clients[2:]:
            client.leave.set()
        await settle()

        later = [Client(gate) for _ in range(3)]
        await settle()
        assert [client.status for client in later] == [None] * 3
        computing.go.set()
        await asyncio.gather(*(client.call for client in (*clients, *later)))

        assert computing.begun == 5
        assert [client.status for client in (*clients, *later)] == [200, 200, None, None, None, 200, 200, 200]

    run(scenario, Limits(running=2, maps=1, waiting=3, queue_seconds=20))


def test_the_work_of_a_client_that_leaves_is_stopped() -> None:
    async def scenario(gate: Gate, computing: Computing) -> None:
        leaving, staying = Client(gate), Client(gate)
        await settle()
        leaving.leave.set()
        await settle()
        computing.go.set()
        await asyncio.gather(leaving.call, staying.call)

        assert (leaving.status, staying.status) == (None, 200)
        assert computing.stopped == 1

    run(scenario)


def test_maps_leave_places_to_small_calls_and_let_them_go_first() -> None:
    async def scenario(gate: Gate, computing: Computing) -> None:
        maps = [Client(gate, MAP) for _ in range(3)]
        await settle()
        assert computing.begun == 1

        running, waiting = Client(gate), Client(gate)
        await settle()
        assert computing.begun == 2
        computing.go.set()
        finished = [await one for one in asyncio.as_completed([name_when_done(c) for c in (*maps, running, waiting)])]
        assert finished.index(waiting.call) < finished.index(maps[1].call)
        assert {client.status for client in (*maps, running, waiting)} == {200}

    run(scenario, Limits(running=2, maps=1, waiting=3, queue_seconds=20))


def test_a_map_that_waited_long_goes_before_small_calls() -> None:
    async def scenario(gate: Gate, computing: Computing) -> None:
        running = Client(gate)
        await settle()
        overdue = Client(gate, MAP)
        await settle()
        small = [Client(gate) for _ in range(2)]
        await asyncio.sleep(0.1)
        computing.go.set()
        finished = [await one for one in asyncio.as_completed([name_when_done(c) for c in (*small, overdue)])]
        assert finished == [overdue.call, *(client.call for client in small)]
        await running.call

    run(scenario, Limits(running=1, maps=1, waiting=3, queue_seconds=20, map_patience_seconds=0.05))


async def name_when_done(client: Client) -> asyncio.Task[None]:
    await client.call
    return client.call


def test_a_queue_full_of_maps_refuses_no_small_call() -> None:
    async def scenario(gate: Gate, computing: Computing) -> None:
        maps = [Client(gate, MAP) for _ in range(6)]
        await settle()
        small = [Client(gate) for _ in range(3)]
        await settle()
        computing.go.set()
        await asyncio.gather(*(client.call for client in (*maps, *small)))

        assert [client.status for client in maps] == [200] * 4 + [503] * 2
        assert {client.status for client in small} == {200}

    run(scenario, Limits(running=2, maps=1, waiting=3, queue_seconds=20))
