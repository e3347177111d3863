"""`beamscope open`: the workbench with a session file."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from beamscope import settings
from beamscope.errors import CommandError
from beamscope.listening import address_of, listen_nearby
from beamscope.options import port_option, workspace_option
from beamscope.workbench import SESSION_FRAGMENT, Service, open_workbench
from exported_models.contract.errors import shorten
from exported_models.contract.workspace import Workspace


@click.command("open")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@port_option
@click.option("--open", "open_browser", is_flag=True, help="Open the address in a browser.")
@workspace_option
def open_file(file: Path, port: int, open_browser: bool, workspace: Workspace) -> None:
    """Open the workbench with a session FILE that its page saved.

    The models of the session must be in the workspace; one that has changed since is named on the page. If the port is
    in use, a free one is taken.

    \b
    Examples:
      beamscope open beamscope-session-2026-11-28.json
      beamscope open analysis.json --workspace /srv/beamscope --open
    """
    from dashboard.state.session import read_session

    session = read_session(read_file(file))
    listening = listen_nearby(settings.DEFAULT_HOST, port)
    if open_browser:
        webbrowser.open(address_of(listening) + SESSION_FRAGMENT)
    open_workbench(listening, workspace, service=Service(session=session))


def read_file(file: Path) -> bytes:
    """The content of a session file.

    Raises:
        CommandError: it cannot be read.
    """
    try:
        return file.expanduser().read_bytes()
    except (RuntimeError, OSError, ValueError) as error:
        reason = shorten(getattr(error, "strerror", None) or str(error))
        raise CommandError(f"The session file {shorten(str(file))} cannot be read ({reason}).") from error
