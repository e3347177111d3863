"""The workbench on a socket that is already bound."""

from __future__ import annotations

import contextlib
import signal
import socket
from typing import NoReturn

import click

from beamscope.listening import address_of, is_loopback
from exported_models.contract.request import DEFAULT_REQUEST_BYTES
from exported_models.contract.workspace import Workspace


def open_workbench(
    listening: socket.socket, host: str, workspace: Workspace, request_bytes: int = DEFAULT_REQUEST_BYTES
) -> None:
    """Print the address and answer until Ctrl-C or SIGTERM; both end with exit code 0.

    Args:
        host: the name that ``listening`` was bound by: calls addressed to others are refused.
        request_bytes: largest estimated record of a request that is answered.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    with listening, contextlib.suppress(KeyboardInterrupt):
        if not is_loopback(listening):
            click.echo("beamscope: Warning: other machines can reach this address, and there is no log-in.", err=True)
        _serve(listening, host, workspace, request_bytes)


def _serve(listening: socket.socket, host: str, workspace: Workspace, request_bytes: int) -> None:
    from dashboard.serving import create_application
    from dashboard.serving.limits import Limits
    from dashboard.serving.server import serve

    limits = Limits(request_bytes=request_bytes)
    application = create_application(workspace, host, limits)
    address = address_of(listening)

    def announce() -> None:
        click.echo(f"Beamscope is at {address} (Ctrl-C ends it)")

    serve(application, listening, limits, when_ready=announce)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
