"""`beamscope schedule`: build a project again and again, at the times of a cron line."""

from __future__ import annotations

from pathlib import Path

import click

from beamscope.failures import require_build_extra
from beamscope.options import workspace_option
from exported_models.workspace import Workspace


@click.command()
@click.argument("project_toml", type=click.Path(path_type=Path))
@click.option("--cron", metavar="LINE", help='When to build, e.g. "0 3 * * *" [default: that of the project file].')
@workspace_option
def schedule(project_toml: Path, cron: str | None, workspace: Workspace) -> None:
    """Build PROJECT_TOML on a schedule, until interrupted.

    The builds run here, at the times that a Prefect server keeps: the one that PREFECT_API_URL names
    (`prefect server start` runs one).

    \b
    Examples:
      beamscope schedule examples/dates/project.toml
      beamscope schedule examples/dates/project.toml --cron "0 3 * * *"
    """
    with require_build_extra("A schedule"):
        from pipeline.project import load_project
        from pipeline.schedule import serve

        load_project(project_toml)
        serve(project_toml, workspace, cron)
