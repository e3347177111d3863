"""The gate before calls that compute: a few at once, a bounded queue behind them, and 503 for the rest.

Calls that lay out maps, and calls that try many what-ifs, take a share of the places and let smaller ones go first. A
call whose client leaves is stopped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.api.errors import ApiError
from dashboard.api.routing import API_ROOT
from dashboard.serving.errors import error_response
from dashboard.serving.guards import replay
from dashboard.serving.limits import Limits
from dashboard.serving.metrics import Metrics
from exported_models.runtime.cancellation import begin_cancellable

_COMPUTED: Final = (f"{API_ROOT}/", "/_pane/")
_MAPS: Final = (
    f"{API_ROOT}/project",
    f"{API_ROOT}/what-ifs",
    f"{API_ROOT}/find-attention",
    f"{API_ROOT}/sweep",
    "/_pane/surroundings",
    "/_pane/report",
)
"""Calls that lay out neighborhoods, and the corpus map; calls that try many what-ifs, and reports, wait with them."""
RETRY_SECONDS: Final = 1
_WEIGHT_OF_LAST: Final = 0.2
"""Share of the last map in the running mean of the seconds from one map that waited to the next."""


class Places:
    """Places for calls that compute, and who waits for one. Used on the event loop alone."""

    def __init__(self, limits: Limits) -> None:
        self._free = limits.running
        self._free_for_maps = limits.maps
        self._small: deque[asyncio.Future[None]] = deque()
        self._maps: deque[asyncio.Future[None]] = deque()
        self._moved = 0.0
        self._seconds_between_maps = 0.0

    def count_waiting(self, *, is_map: bool) -> int:
        """Number of calls that wait for such a place."""
        return len(self._maps if is_map else self._small)

    @property
    def expected_wait_of_a_map(self) -> float:
        """Seconds that a map which comes now waits, if those before it get their places as the last ones did."""
        return len(self._maps) * self._seconds_between_maps

    def ask(self, *, is_map: bool) -> asyncio.Future[None]:
        """A place, which is done once the call has it; `end` must follow."""
        place = asyncio.get_running_loop().create_future()
        if is_map and not self._maps:
            self._moved = _now()
        (self._maps if is_map else self._small).append(place)
        self._hand_out(place)
        return place

    def end(self, place: asyncio.Future[None], *, is_map: bool) -> None:
        """Give a place back, or stop waiting for it."""
        if place.done():
            self._count(1, is_map=is_map)
            self._hand_out()
        else:
            (self._maps if is_map else self._small).remove(place)

    def _hand_out(self, newest: asyncio.Future[None] | None = None) -> None:
        """Hand free places to those who wait, small calls first; the newest call may have one at once."""
        while self._free and (self._small or (self._maps and self._free_for_maps)):
            is_map = not self._small
            self._count(-1, is_map=is_map)
            place = (self._maps if is_map else self._small).popleft()
            place.set_result(None)
            if is_map and place is not newest:
                self._note_move()

    def _note_move(self) -> None:
        """Take the time since a map last got its place, or began to wait, into the running mean."""
        seconds, self._moved = _now() - self._moved, _now()
        mean = self._seconds_between_maps or seconds
        self._seconds_between_maps = mean + _WEIGHT_OF_LAST * (seconds - mean)

    def _count(self, change: int, *, is_map: bool) -> None:
        self._free += change
        self._free_for_maps += change * is_map


def _now() -> float:
    return asyncio.get_running_loop().time()


class Gate:
    """Let a bounded number of calls compute. Probes and the files of the page pass by."""

    def __init__(self, app: ASGIApp, limits: Limits, metrics: Metrics) -> None:
        self._app = app
        self._limits = limits
        self._places = Places(limits)
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on when it has a place, and stop it where its client leaves."""
        if scope["type"] != "http" or not scope["path"].startswith(_COMPUTED):
            await self._app(scope, receive, send)
            return
        body = await receive()  # whole, since `BodyLimit` stands before the gate
        # After the whole body, only the end of the connection is received.
        leaving = asyncio.ensure_future(receive())
        is_map = scope["path"].startswith(_MAPS)
        expected = self._places.expected_wait_of_a_map if is_map else 0.0
        place = self._places.ask(is_map=is_map)
        try:
            if await self._wait(place, leaving, expected, is_map=is_map):
                await self._compute(scope, replay(body, lambda: asyncio.shield(leaving)), send, leaving)
        except _BusyError as error:
            refusal = error_response(error)
            refusal.headers["Retry-After"] = str(RETRY_SECONDS)
            await refusal(scope, receive, send)
        finally:
            self._places.end(place, is_map=is_map)
            leaving.cancel()

    async def _wait(
        self, place: asyncio.Future[None], leaving: asyncio.Future[Message], expected: float, *, is_map: bool
    ) -> bool:
        """Wait for a place; False where the client left before there was one.

        Args:
            expected: seconds that this will take.

        Raises:
            _BusyError: the queue is full, is expected to move too slowly, or did not move for too long.
        """
        if place.done():
            return True
        waiting = self._places.count_waiting(is_map=is_map) - 1
        if waiting >= self._limits.waiting or expected > self._limits.map_queue_seconds:
            raise self._busy(waiting)
        with self._metrics.waiting.labels("map" if is_map else "small").track_inprogress():
            await asyncio.wait(
                (place, leaving), timeout=self._limits.queue_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        if leaving.done():
            return False
        if not place.done():
            raise self._busy(waiting)
        return True

    async def _compute(self, scope: Scope, receive: Receive, send: Send, leaving: asyncio.Future[Message]) -> None:
        async def send_while_there(message: Message) -> None:
            if not leaving.done():
                await send(message)

        with begin_cancellable() as work, self._metrics.running.track_inprogress():
            leaving.add_done_callback(lambda _: work.cancel())
            await self._app(scope, receive, send_while_there)

    def _busy(self, waiting: int) -> _BusyError:
        return _BusyError(
            f"The server is busy: {self._limits.running} calls are computed and {waiting} wait. Ask again soon.",
            HTTPStatus.SERVICE_UNAVAILABLE,
        )


class _BusyError(ApiError):
    """There is no place and no room in the queue."""
