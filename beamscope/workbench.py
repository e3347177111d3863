"""Serving the workbench on an address that is already taken."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
from typing import NoReturn

import click

from beamscope.listening import address_of, is_loopback
from exported_models.contract.workspace import Workspace

_THREADS = 8


def open_workbench(listening: socket.socket, host: str, workspace: Workspace) -> None:
    """Print the address and answer until Ctrl-C or a request to terminate, which both end it in good order.

    ``host`` is the name that ``listening`` was bound by: calls addressed to others are refused.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    with listening, contextlib.suppress(KeyboardInterrupt):
        if not is_loopback(listening):
            click.echo("beamscope: Warning: other machines can reach this address, and there is no log-in.", err=True)
        _serve(listening, host, workspace)


def _serve(listening: socket.socket, host: str, workspace: Workspace) -> None:
    from waitress.server import create_server

    from dashboard.api import register_host_check
    from dashboard.app import create_app

    application = create_app(workspace).server
    register_host_check(application, host)
    # A page asks for many things at once; that they wait a moment for each other is no news.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = create_server(application, sockets=[listening], threads=_THREADS, ident="beamscope")
    click.echo(f"Beamscope is at {address_of(listening)} (Ctrl-C ends it)")
    server.run()


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
