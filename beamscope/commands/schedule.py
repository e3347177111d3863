"""`beamscope schedule`: build a project at the times of a cron line."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from beamscope.failures import require_build_extra
from beamscope.options import workspace_option
from beamscope.priority import yield_to_requests
from exported_models.contract.workspace import Workspace


@click.command()
@click.argument("project_toml", type=click.Path(path_type=Path))
@click.option("--cron", metavar="LINE", help='When to build, e.g. "0 3 * * *" [default: that of the project file].')
@workspace_option
def schedule(project_toml: Path, cron: str | None, workspace: Workspace) -> None:
    """Build PROJECT_TOML on a schedule, until interrupted.

    The times are kept by a Prefect server: the one that PREFECT_API_URL names, else one that is started here, with its
    database in the workspace. Ctrl-C ends it.

    \b
    Examples:
      beamscope schedule examples/dates/project.toml
      beamscope schedule examples/dates/project.toml --cron "0 3 * * *"
    """
    yield_to_requests()
    with require_build_extra("A schedule"), contextlib.suppress(KeyboardInterrupt):
        from pipeline.run.schedule import serve

        serve(project_toml, workspace, cron)
