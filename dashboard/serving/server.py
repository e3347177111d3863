"""The server: uvicorn on a socket that is already bound, ended by Ctrl-C or SIGTERM within two seconds."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import Final, NoReturn

import uvicorn
from starlette.types import ASGIApp

from dashboard.serving.limits import MAX_HEADER_BYTES

IDLE_SECONDS: Final = 60
"""Time that a connection is kept open between two requests."""
SECONDS_TO_FINISH: Final = 1.0
"""Time that running requests have to finish after the server was told to stop."""


def serve(application: ASGIApp, listening: socket.socket) -> None:
    """Answer requests on ``listening`` until SIGINT or SIGTERM.

    The signal is raised again at the end, for the handler that was set before. Where a request still runs after
    `SECONDS_TO_FINISH`, the process ends with exit code 0: a search in a thread cannot be interrupted.
    """
    # asyncio sets this only on sockets that name their protocol. Without it every answer is held back for 40 ms, until
    # the client acknowledges its first part (Nagle's algorithm).
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        application,
        loop="asyncio",
        http="h11",
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        headers=[("Server", "beamscope")],
        timeout_keep_alive=IDLE_SECONDS,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
    )
    _Server(config).run(sockets=[listening])


class _Server(uvicorn.Server):
    """A server whose end does not wait for searches."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let running requests finish; end the process where they take too long, or at a second Ctrl-C."""
        timer = asyncio.get_running_loop().call_later(SECONDS_TO_FINISH, _end_process)
        await super().shutdown(sockets)
        if self.server_state.tasks:
            _end_process()
        timer.cancel()


def _end_process() -> NoReturn:
    """End the process as after a good end, without waiting for threads."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
