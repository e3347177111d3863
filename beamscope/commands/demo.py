"""`beamscope demo`: the dates example, built where it is not there yet, in the workbench."""

from __future__ import annotations

import webbrowser

import click

from beamscope import settings
from beamscope.failures import require_build_extra
from beamscope.listening import address_of, listen_nearby
from beamscope.options import port_option, workspace_option
from beamscope.workbench import open_workbench
from exported_models.workspace import Workspace


@click.command()
@port_option
@click.option("--open", "open_browser", is_flag=True, help="Open the address in a browser.")
@workspace_option
def demo(port: int, open_browser: bool, workspace: Workspace) -> None:
    """Build the dates example and open the workbench.

    The first time takes minutes, later ones seconds. If the port is in use, a free one is taken.

    \b
    Examples:
      beamscope demo
      beamscope demo --open --port 9000
    """
    _bring_up_to_date(workspace)
    listening = listen_nearby(settings.DEFAULT_HOST, port)
    if open_browser:
        webbrowser.open(address_of(listening))
    open_workbench(listening, settings.DEFAULT_HOST, workspace)


def _bring_up_to_date(workspace: Workspace) -> None:
    """Build the example with the plain steps: for a single run, starting Prefect would only take time."""
    from beamscope.build_text import describe_build

    with require_build_extra("Building the dates example"):
        from pipeline.build import build
        from pipeline.progress import open_progress
        from pipeline.project import load_project

        summary = build(load_project(settings.find_demo_project()), workspace, progress=open_progress())
    click.echo(describe_build(summary))
