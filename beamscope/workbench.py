"""The workbench on a socket that is already bound."""

from __future__ import annotations

import contextlib
import signal
import socket
from typing import NoReturn

import click

from beamscope.listening import address_of, is_loopback
from exported_models.contract.workspace import Workspace


def open_workbench(listening: socket.socket, host: str, workspace: Workspace) -> None:
    """Print the address and answer until Ctrl-C or SIGTERM; both end with exit code 0.

    ``host`` is the name that ``listening`` was bound by: calls addressed to others are refused.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    with listening, contextlib.suppress(KeyboardInterrupt):
        if not is_loopback(listening):
            click.echo("beamscope: Warning: other machines can reach this address, and there is no log-in.", err=True)
        _serve(listening, host, workspace)


def _serve(listening: socket.socket, host: str, workspace: Workspace) -> None:
    from dashboard.serving import create_application
    from dashboard.serving.server import serve

    application = create_application(workspace, host)
    click.echo(f"Beamscope is at {address_of(listening)} (Ctrl-C ends it)")
    serve(application, listening)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
