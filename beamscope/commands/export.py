"""`beamscope export`: a checkpoint as an exported model, without a corpus."""

from __future__ import annotations

import json
from pathlib import Path

import click

from beamscope.failures import require_build_extra
from beamscope.options import json_option, workspace_option
from exported_models.workspace import Workspace


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--id", "model_id", required=True, metavar="ID", help="Name of the exported model in the workspace.")
@click.option("--adapter", metavar="A", help="Model family [default: the adapter that recognizes the checkpoint].")
@json_option
@workspace_option
def export(checkpoint: Path, model_id: str, adapter: str | None, as_json: bool, workspace: Workspace) -> None:
    """Export CHECKPOINT, verify it, and publish the model.

    It is verified against the source model: log-probabilities, attention, states and beam results. The model can be
    translated with at once; neighbors need a state store, which `beamscope build` makes.

    \b
    Examples:
      beamscope export examples/dates/checkpoint --id dates
      beamscope export examples/dates/checkpoint --id dates --adapter luong --json
    """
    from beamscope.build_text import describe_export

    with require_build_extra("Exporting"):
        from pipeline.build import export_model
        from pipeline.progress import open_progress

        summary = export_model(checkpoint, adapter, model_id, workspace, progress=open_progress())
    click.echo(json.dumps(summary.to_document(), indent=1) if as_json else describe_export(summary))
