"""`beamscope serve`: the workbench over a workspace."""

from __future__ import annotations

import click

from beamscope import settings
from beamscope.listening import listen
from beamscope.options import port_option, workspace_option
from beamscope.workbench import open_workbench
from exported_models.contract.request import DEFAULT_REQUEST_BYTES
from exported_models.contract.workspace import Workspace


@click.command()
@click.option(
    "--host",
    default=settings.DEFAULT_HOST,
    show_default=True,
    help="Address to listen on. Other machines can reach any but a loopback address; there is no log-in.",
)
@click.option(
    "--request-memory",
    "request_megabytes",
    type=click.IntRange(1, 1_000_000),
    default=DEFAULT_REQUEST_BYTES // 1_000_000,
    show_default=True,
    metavar="MB",
    help="Refuse a request whose record may take more; while it runs it takes some three times as much.",
)
@port_option
@workspace_option
def serve(host: str, request_megabytes: int, port: int, workspace: Workspace) -> None:
    """Open the workbench over the workspace's models.

    Models and stores that are published while it runs are picked up. Ctrl-C ends it.

    \b
    Examples:
      beamscope serve
      beamscope serve --workspace /srv/beamscope --port 9000
      beamscope serve --request-memory 1024
    """
    open_workbench(listen(host, port), host, workspace, request_megabytes * 1_000_000)
