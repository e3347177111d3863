"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

from beamscope import settings
from exported_models.contract.errors import BeamscopeError
from exported_models.contract.workspace import Workspace


def _to_workspace(_context: click.Context, _parameter: click.Parameter, value: str) -> Workspace:
    try:
        return settings.resolve_workspace(Path(value))
    except BeamscopeError as error:
        raise click.BadParameter(str(error)) from error


workspace_option = click.option(
    "--workspace",
    metavar="FOLDER",
    callback=_to_workspace,
    envvar=settings.WORKSPACE_VARIABLE,
    default=".",
    show_default="current folder",
    show_envvar=True,
    help="Folder of the exported models and state stores.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")

port_option = click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=settings.DEFAULT_PORT,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
