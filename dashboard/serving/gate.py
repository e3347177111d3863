"""The gate before calls that compute: a few at once, a bounded queue behind them, and 503 for the rest.

Calls that lay out maps, and calls that try many what-ifs, take a share of the places and let smaller ones go first, for
a while. A call whose client leaves is stopped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A place that a call asked for.

    Attributes:
        given: done once the call has the place.
        asked: when the call came, on the clock of the event loop.
    """

    given: asyncio.Future[None]
    asked: float
    is_map: bool


class Places:
    """Places for calls that compute, and who waits for one. Used on the event loop alone."""

    def __init__(self, limits: Limits) -> None:
        self._free = limits.running
        self._free_for_maps = limits.maps
        self._patience_of_maps = limits.map_patience_seconds
        self._small: deque[Place] = deque()
        self._maps: deque[Place] = deque()
        self._map_given = 0.0
        self._seconds_between_maps = 0.0

    def count_waiting(self, *, is_map: bool) -> int:
        """Number of calls that wait for such a place."""
        return len(self._queue(is_map=is_map))

    @property
    def expected_wait_of_a_map(self) -> float:
        """Seconds that a map which comes now waits, if those before it get their places as the last ones did."""
        return len(self._maps) * self._seconds_between_maps

    def ask(self, *, is_map: bool) -> Place:
        """Ask for a place; `end` must follow."""
        place = Place(asyncio.get_running_loop().create_future(), _now(), is_map)
        self._queue(is_map=is_map).append(place)
        self._hand_out()
        return place

    def end(self, place: Place) -> None:
        """Give a place back, or stop waiting for it."""
        if not place.given.done():
            self._queue(is_map=place.is_map).remove(place)
            return
        self._count(1, is_map=place.is_map)
        for waited in self._hand_out():
            if waited.is_map:
                self._note_pace(waited)

    def _queue(self, *, is_map: bool) -> deque[Place]:
        return self._maps if is_map else self._small

    def _hand_out(self) -> list[Place]:
        """Hand free places to those who wait."""
        given = []
        while self._free and (place := self._next()):
            self._count(-1, is_map=place.is_map)
            place.given.set_result(None)
            given.append(place)
        return given

    def _next(self) -> Place | None:
        """Take from its queue the call that goes next: a small one, unless a map has waited too long."""
        if self._maps and self._free_for_maps and (not self._small or self._is_overdue(self._maps[0])):
            return self._maps.popleft()
        return self._small.popleft() if self._small else None

    def _is_overdue(self, place: Place) -> bool:
        return _now() - place.asked > self._patience_of_maps

    def _note_pace(self, given: Place) -> None:
        """Take the time for which a map was the first of its queue into the running mean."""
        seconds, self._map_given = _now() - max(given.asked, self._map_given), _now()
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
            if await self._wait(place, leaving, expected):
                await self._compute(scope, replay(body, lambda: asyncio.shield(leaving)), send, leaving)
        except _BusyError as error:
            refusal = error_response(error)
            refusal.headers["Retry-After"] = str(RETRY_SECONDS)
            await refusal(scope, receive, send)
        finally:
            self._places.end(place)
            leaving.cancel()

    async def _wait(self, place: Place, leaving: asyncio.Future[Message], expected: float) -> bool:
        """Wait for a place; False where the client left before there was one.

        Args:
            expected: seconds that this will take.

        Raises:
            _BusyError: the queue is full, is expected to move too slowly, or did not move for too long.
        """
        if place.given.done():
            return True
        waiting = self._places.count_waiting(is_map=place.is_map) - 1
        if waiting >= self._limits.waiting or expected > self._limits.map_queue_seconds:
            raise self._busy(waiting)
        with self._metrics.waiting.labels("map" if place.is_map else "small").track_inprogress():
            await asyncio.wait(
                (place.given, leaving), timeout=self._limits.queue_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        if leaving.done():
            return False
        if not place.given.done():
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
