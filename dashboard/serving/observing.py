"""The outermost layer of the application: every request gets an id, a line in the log, and a place in the metrics."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.request_id import HEADER, begin_request
from dashboard.serving.access import USER
from dashboard.serving.metrics import Metrics
from exported_models.contract.errors import shorten

REQUESTS: Final = logging.getLogger("beamscope.requests")
_API: Final = "/api/v1/"
_PANE: Final = "/_pane/"
_PROBES: Final = ("/healthz", "/readyz", "/metrics")
_PAGE: Final = "page"
_UNKNOWN: Final = "unknown"


class Observe:
    """Name, time and count requests. Paths are logged, but neither queries nor bodies, which hold texts."""

    def __init__(self, app: ASGIApp, metrics: Metrics, calls: frozenset[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and note how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = begin_request(Headers(scope=scope).get(HEADER, ""))
        inner: Scope = {**scope, USER: {}}
        status = 0

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        begun = time.perf_counter()
        try:
            await self._app(inner, receive, send_named)
        finally:
            self._note(inner, request_id, status, time.perf_counter() - begun)

    def _note(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        outcome = name_outcome(status)
        self._metrics.count(self._name_call(scope["path"]), outcome, seconds)
        REQUESTS.info(
            "%s %s %d",
            scope["method"],
            shorten(scope["path"]),
            status,
            extra={
                "request": request_id,
                "user": scope[USER].get("name", ""),
                "outcome": outcome,
                "milliseconds": round(1000 * seconds, 1),
            },
        )

    def _name_call(self, path: str) -> str:
        """The kind of a call: few names, whatever paths clients invent."""
        for root in (_API, _PANE):
            if root in path:
                name = path.rpartition(root)[2]
                return name if f"{root}{name}" in self._calls else _UNKNOWN
        return "probe" if path.endswith(_PROBES) else _PAGE


def name_outcome(status: int) -> str:
    """The word for how a request ended; 0 is the status of one whose client left."""
    if status == 0:
        return "gone"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return "busy"
    if status < HTTPStatus.BAD_REQUEST:
        return "answered"
    return "refused" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "failed"
