"""The workbench on a socket that is already bound."""

from __future__ import annotations

import contextlib
import signal
import socket
from dataclasses import dataclass
from typing import Literal, NoReturn

import click

from beamscope.errors import CommandError
from beamscope.listening import address_of, is_loopback
from dashboard.site import Site
from exported_models.contract.request import DEFAULT_REQUEST_BYTES
from exported_models.contract.workspace import Workspace

LogFormat = Literal["lines", "json"]


@dataclass(frozen=True, slots=True)
class Logging:
    """Form of the log; None for errors alone. With texts, it holds messages that may repeat source texts."""

    style: LogFormat | None = None
    with_texts: bool = False


def open_workbench(
    listening: socket.socket,
    workspace: Workspace,
    site: Site,
    request_bytes: int = DEFAULT_REQUEST_BYTES,
    logging: Logging = Logging(),  # frozen
) -> None:
    """Print the address and answer until Ctrl-C or SIGTERM; both end with exit code 0.

    Args:
        site: names the address that ``listening`` was bound by: calls addressed to others are refused.
        request_bytes: largest estimated record of a request that is answered.

    Raises:
        CommandError: other machines can reach the address, and there is no log-in.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    with listening, contextlib.suppress(KeyboardInterrupt):
        if site.access.is_open and not is_loopback(listening):
            raise CommandError(
                "Other machines can reach this address, so it needs a log-in; name a file with --token-file, or the "
                "header of a proxy with --user-header and --trusted-proxy."
            )
        _serve(listening, workspace, site, request_bytes, logging)


def _serve(listening: socket.socket, workspace: Workspace, site: Site, request_bytes: int, logging: Logging) -> None:
    from dashboard.serving import create_application
    from dashboard.serving.limits import Limits
    from dashboard.serving.logs import set_up_logging
    from dashboard.serving.server import serve

    set_up_logging(logging.style, with_texts=logging.with_texts)
    limits = Limits(request_bytes=request_bytes)
    application = create_application(workspace, site, limits)
    address = address_of(listening) + f"{site.path_prefix}/".lstrip("/")

    def announce() -> None:
        click.echo(f"Beamscope is at {address} (Ctrl-C ends it)")

    serve(application, listening, limits, when_ready=announce)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
