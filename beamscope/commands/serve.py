"""`beamscope serve`: the workbench over a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from beamscope import settings
from beamscope.listening import listen
from beamscope.options import port_option, workspace_option
from beamscope.workbench import Service, open_workbench
from dashboard.site import Access, Site, read_network
from exported_models.contract.request import DEFAULT_REQUEST_BYTES
from exported_models.contract.workspace import Workspace

if TYPE_CHECKING:
    from dashboard.serving.logs import LogFormat


@click.command()
@click.option(
    "--host",
    default=settings.DEFAULT_HOST,
    show_default=True,
    help="Address to listen on. Other machines can reach any but a loopback address, which needs a log-in.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Ask for the token in this file: once in a browser, as `Authorization: Bearer` of programs.",
)
@click.option(
    "--user-header",
    default="",
    metavar="HEADER",
    help="Let in whom a proxy names in this header; needs --trusted-proxy.",
)
@click.option(
    "--trusted-proxy",
    "proxies",
    multiple=True,
    metavar="ADDRESS",
    help="Address or network of a proxy whose --user-header is believed; may be repeated.",
)
@click.option(
    "--public-name",
    "names",
    multiple=True,
    metavar="NAME",
    help="Answer requests that are addressed to this name too, as a proxy passes them on; may be repeated.",
)
@click.option("--path-prefix", default="", metavar="PATH", help="Path of the workbench at a proxy, as /beamscope.")
@click.option(
    "--request-memory",
    "request_megabytes",
    type=click.IntRange(1, 1_000_000),
    default=DEFAULT_REQUEST_BYTES // 1_000_000,
    show_default=True,
    metavar="MB",
    help="Refuse a request whose record may take more; while it runs it takes some three times as much.",
)
@click.option(
    "--log",
    "log_format",
    type=click.Choice(["lines", "json"]),
    help="Write each request to standard error: its path and outcome, and no text. Errors are always written.",
)
@click.option("--log-texts", is_flag=True, help="Write messages of unexpected errors too, which may hold source texts.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Answer from N processes; SIGHUP replaces one after the other, and each answers what it was asked.",
)
@port_option
@workspace_option
def serve(
    host: str,
    token_file: Path | None,
    user_header: str,
    proxies: tuple[str, ...],
    names: tuple[str, ...],
    path_prefix: str,
    request_megabytes: int,
    log_format: LogFormat | None,
    log_texts: bool,
    workers: int,
    port: int,
    workspace: Workspace,
) -> None:
    """Open the workbench over the workspace's models.

    Models and stores that are published while it runs are picked up; the workspace itself is never written. Ctrl-C ends
    it.

    \b
    Examples:
      beamscope serve
      beamscope serve --workspace /srv/beamscope --port 9000
      beamscope serve --host 0.0.0.0 --token-file /etc/beamscope/token
      beamscope serve --path-prefix /beamscope --public-name lab.example \\
          --user-header X-Forwarded-User --trusted-proxy 127.0.0.1
    """
    token = settings.read_token(token_file) if token_file else ""
    access = Access(token, user_header, tuple(map(read_network, proxies)))
    site = Site(host, names, path_prefix.rstrip("/"), access)
    service = Service(request_megabytes * 1_000_000, log_format, log_texts, workers)
    open_workbench(listen(host, port), workspace, site, service)
