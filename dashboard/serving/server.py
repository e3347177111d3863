"""The server: uvicorn on a socket that is already bound, ended by Ctrl-C or SIGTERM within two seconds."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from typing import Final, NoReturn

import uvicorn
from starlette.types import ASGIApp
from threadpoolctl import threadpool_limits
from uvicorn.protocols.http.h11_impl import H11Protocol

from dashboard.serving.limits import MAX_HEADER_BYTES, Limits

SECONDS_TO_ASK: Final = 0.5
"""Time in which an open connection may still bring a request after the server was told to stop."""
SWITCH_SECONDS: Final = 0.001
"""Longest time that a thread which computes keeps the interpreter from the event loop; Python's own value is 0.005."""


def serve(
    application: ASGIApp,
    listening: socket.socket,
    limits: Limits | None = None,
    *,
    when_ready: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests on ``listening`` until SIGINT or SIGTERM.

    ``when_ready`` is called when requests are answered and both signals end the server in good order.
    The signal is raised again at the end, for the handler that was set before. Where a request still runs after
    `Limits.finish_seconds`, the process ends with exit code 0: a search in a thread cannot be interrupted.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    # Requests share the processors already. Threads of matrix products wait for each other in a busy loop: beside two
    # busy processes on two cores a local map took ten times as long as on one thread.
    threadpool_limits(1, "blas")
    limits = limits or Limits()
    config = uvicorn.Config(
        application,
        loop="asyncio",
        http=_protocol_with(limits),
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        headers=[("Server", "beamscope")],
        timeout_keep_alive=limits.idle_seconds,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
    )
    _Server(config, when_ready, limits.finish_seconds).run(sockets=[listening])


class _Server(uvicorn.Server):
    """A server that says when it is ready, and whose end does not wait for searches."""

    def __init__(self, config: uvicorn.Config, when_ready: Callable[[], None], finish_seconds: float) -> None:
        super().__init__(config)
        self._when_ready = when_ready
        self._finish_seconds = finish_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer; signals are handled already."""
        await super().startup(sockets)
        if not self.should_exit:
            self._when_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let running requests finish; end the process where they take too long, or at a second Ctrl-C."""
        timer = asyncio.get_running_loop().call_later(self._finish_seconds, _end_process)
        await super().shutdown(sockets)
        if self.server_state.tasks:
            _end_process()
        timer.cancel()


class _Timer:
    """A call to be made after some seconds, unless it is stopped before."""

    def __init__(self, seconds: float, act: Callable[[], None]) -> None:
        self._seconds = seconds
        self._act = act
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to count; a timer that runs already goes on."""
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(self._seconds, self._act)

    def stop(self) -> None:
        """Make no call."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class _Connection(H11Protocol):
    """HTTP over a connection that has to move: a request must arrive in time, and its answer must be read."""

    limits: Limits

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a request, or close the connection where there are too many."""
        super().connection_made(transport)
        # asyncio sets this only on sockets that name their protocol. Without it every answer is held back for 40 ms,
        # until the client acknowledges its first part (Nagle's algorithm).
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._arrival = _Timer(self.limits.head_seconds, transport.abort)
        self._stall = _Timer(self.limits.send_seconds, transport.abort)
        self._draining = False
        self._arrival.start()
        if len(self.connections) > self.limits.connections:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read a part of a request; its head is complete when an answer is under way."""
        super().data_received(data)
        if self._is_idle():
            self._arrival.start()
        else:
            self._arrival.stop()
            self.cycle.keep_alive = self.cycle.keep_alive and not self._draining

    def shutdown(self) -> None:
        """Close after the answer that is under way, or after one to a request that may be on its way."""
        self._draining = True
        if self._is_idle():
            asyncio.get_running_loop().call_later(SECONDS_TO_ASK, self._close_if_idle)
        else:
            super().shutdown()

    def _close_if_idle(self) -> None:
        if self._is_idle():
            super().shutdown()

    def _is_idle(self) -> bool:
        # The cycle is None before the first request.
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        self._stall.start()

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        super().resume_writing()
        self._stall.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection and its timers."""
        super().connection_lost(exc)
        self._arrival.stop()
        self._stall.stop()


def _protocol_with(limits: Limits) -> type[asyncio.Protocol]:
    """The protocol of connections under these limits: uvicorn makes it without arguments of ours."""
    return type("Connection", (_Connection,), {"limits": limits})


def _end_process() -> NoReturn:
    """End the process as after a good end, without waiting for threads."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
