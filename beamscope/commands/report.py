"""`beamscope report`: a session as one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from beamscope.commands.open import read_file
from beamscope.options import workspace_option
from beamscope.written_files import write_file
from exported_models.contract.publishing import format_size
from exported_models.contract.workspace import Workspace


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="HTML",
    help="The file to write [default: that of the session, with the suffix .html].",
)
@workspace_option
def report(file: Path, out: Path | None, workspace: Workspace) -> None:
    """Write a session FILE that the page saved as one HTML file, to read without Beamscope.

    The file has every answer with its note, its n-best list and its drawings, what each change did, and the comparison
    on view. It asks nothing of the network. Answers are decoded anew, by the models of the workspace.

    \b
    Examples:
      beamscope report analysis.json
      beamscope report analysis.json --out report.html --workspace /srv/beamscope
    """
    from dashboard.services import Services
    from dashboard.state.session import read_session
    from dashboard.views.report import report_session

    content = report_session(Services.open(workspace), read_session(read_file(file)))
    path = out or file.with_suffix(".html")
    write_file(path, content)
    click.echo(f"Wrote {path}, {format_size(path.stat().st_size)}.")
