"""The gate before calls that compute: a few at once, a bounded queue behind them, and 503 for the rest."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.api.errors import ApiError
from dashboard.api.routing import API_ROOT
from dashboard.serving.errors import error_response
from dashboard.serving.guards import replay
from dashboard.serving.limits import Limits

_COMPUTED: Final = (f"{API_ROOT}/", "/_pane/")
RETRY_SECONDS: Final = 1


class Gate:
    """Let a bounded number of calls compute. Probes and the files of the page pass by."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._places = asyncio.Semaphore(limits.running)
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on when it has a place; drop it where its client left meanwhile."""
        if scope["type"] != "http" or not scope["path"].startswith(_COMPUTED):
            await self._app(scope, receive, send)
            return
        body = await receive()  # whole, since `BodyLimit` stands before the gate
        try:
            await self._take_place(receive)
        except ApiError as error:
            refusal = error_response(error)
            refusal.headers["Retry-After"] = str(RETRY_SECONDS)
            await refusal(scope, receive, send)
            return
        except ConnectionAbortedError:
            return
        try:
            await self._app(scope, replay(body, receive), send)
        finally:
            self._places.release()

    async def _take_place(self, receive: Receive) -> None:
        """Wait for a place.

        Raises:
            ApiError: the queue is full, or did not move for too long.
            ConnectionAbortedError: the client left.
        """
        if not self._places.locked():
            await self._places.acquire()
            return
        if self._waiting >= self._limits.waiting:
            raise self._busy()
        self._waiting += 1
        try:
            await self._queue(receive)
        finally:
            self._waiting -= 1

    async def _queue(self, receive: Receive) -> None:
        place = asyncio.ensure_future(self._places.acquire())
        # After the whole body, only the end of the connection is received.
        leaving = asyncio.ensure_future(receive())
        try:
            done, _ = await asyncio.wait(
                (place, leaving), timeout=self._limits.queue_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            place.cancel()
            leaving.cancel()
        if leaving in done:
            if place in done:
                self._places.release()
            raise ConnectionAbortedError
        if place not in done:
            raise self._busy()

    def _busy(self) -> ApiError:
        return ApiError(
            f"The server is busy: {self._limits.running} calls are computed and {self._waiting} wait. Ask again soon.",
            HTTPStatus.SERVICE_UNAVAILABLE,
        )
