"""The workbench on a socket that is already bound."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NoReturn

import click

from beamscope.errors import CommandError
from beamscope.listening import address_of, is_loopback
from beamscope.workers import Work, Workers
from dashboard.site import Site
from exported_models.contract.request import DEFAULT_REQUEST_BYTES
from exported_models.contract.workspace import Workspace

if TYPE_CHECKING:
    from dashboard.serving.logs import LogFormat
    from dashboard.state.session import SessionDocument

SESSION_FRAGMENT: Final = "#session:opened"
"""End of the address that opens the session which the workbench was started with."""
SECONDS_TO_DRAIN: Final = 30.0
"""Time that a process among others has to finish what it was asked."""


@dataclass(frozen=True, slots=True)
class Service:
    """The way the workbench is served.

    Attributes:
        request_bytes: largest estimated record of a request that is answered.
        log_format: None for errors alone.
        log_texts: write messages of unexpected errors, which may repeat source texts.
        workers: processes that share the address.
        session: a session that the printed address opens; None for none.
    """

    request_bytes: int = DEFAULT_REQUEST_BYTES
    log_format: LogFormat | None = None
    log_texts: bool = False
    workers: int = 1
    session: SessionDocument | None = None


def open_workbench(
    listening: socket.socket, workspace: Workspace, site: Site | None = None, service: Service | None = None
) -> None:
    """Print the address and answer until Ctrl-C or SIGTERM; both end with exit code 0.

    Args:
        site: names the address that ``listening`` was bound by: calls addressed to others are refused. None for this
            machine and everybody on it.
        service: None for the usual one.

    Raises:
        CommandError: other machines can reach the address, and there is no log-in.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    site, service = site or Site(), service or Service()
    with listening, contextlib.suppress(KeyboardInterrupt):
        if not is_loopback(listening) and site.access.is_open:
            raise CommandError(
                "Other machines can reach this address, so it needs a log-in; name a file with --token-file, or the "
                "header of a proxy with --user-header and --trusted-proxy."
            )
        address = address_of(listening) + f"{site.path_prefix}/".lstrip("/")
        address += SESSION_FRAGMENT if service.session else ""

        def announce() -> None:
            click.echo(f"Beamscope is at {address} (Ctrl-C ends it)")

        def serve_until_told(when_ready: Callable[[], None]) -> None:
            _serve(listening, workspace, site, service, when_ready)

        if service.workers == 1:
            serve_until_told(announce)
        else:
            _share(service.workers, serve_until_told, announce)


def _share(count: int, serve_until_told: Work, announce: Callable[[], None]) -> None:
    """Serve from several processes, which count requests in files that they share."""
    with tempfile.TemporaryDirectory(prefix="beamscope-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        from prometheus_client.multiprocess import mark_process_dead

        Workers(count, serve_until_told, announce, mark_process_dead).run()


def _serve(
    listening: socket.socket,
    workspace: Workspace,
    site: Site,
    service: Service,
    when_ready: Callable[[], None],
) -> None:
    from dashboard.serving import create_application
    from dashboard.serving.limits import Limits
    from dashboard.serving.logs import set_up_logging
    from dashboard.serving.server import serve

    set_up_logging(service.log_format, with_texts=service.log_texts)
    limits = Limits(request_bytes=service.request_bytes)
    if service.workers > 1:
        limits = replace(limits, finish_seconds=SECONDS_TO_DRAIN)
    application = create_application(workspace, site, limits, service.session)
    serve(application, listening, limits, when_ready=when_ready)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
