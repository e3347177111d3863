"""`beamscope build`: from a project file to a published model and its state store."""

from __future__ import annotations

import json
from pathlib import Path

import click

from beamscope.failures import require_build_extra
from beamscope.options import json_option, workspace_option
from beamscope.priority import yield_to_requests
from exported_models.contract.workspace import Workspace


@click.command()
@click.argument("project_toml", type=click.Path(path_type=Path))
@click.option("--no-prefect", is_flag=True, help="Run the plain steps in this process, without a Prefect flow.")
@json_option
@workspace_option
def build(project_toml: Path, no_prefect: bool, as_json: bool, workspace: Workspace) -> None:
    """Build what PROJECT_TOML describes: a model and its state store.

    Exports, verifies, encodes, indexes, draws maps and publishes, in this order; sources without targets are translated
    by the model before they are encoded. Where the project file has quantize = "int8" below [model], the model gets a
    twin in 8-bit integers, and the twin a store of its own. Steps whose inputs did not change are not done again, and
    an interrupted build goes on where it was. Progress is on stderr, the summary on stdout.

    \b
    Examples:
      beamscope build examples/dates/project.toml
      beamscope build examples/dates/project.toml --workspace /srv/beamscope --json
      beamscope build examples/dates/project.toml --no-prefect
    """
    from beamscope.build_text import describe_build

    yield_to_requests()
    with require_build_extra("Building"):
        from pipeline.build.building import build as build_project
        from pipeline.build.project_file import load_project
        from pipeline.progress import open_progress
        from pipeline.run.flow import run_flow

        if no_prefect:
            summary = build_project(load_project(project_toml), workspace, progress=open_progress())
        else:
            summary = run_flow(project_toml, workspace, progress=open_progress())
    click.echo(json.dumps(summary.to_document(), indent=1) if as_json else describe_build(summary))
