"""Building: a project becomes an exported model and a state store, in numbered steps that can be run again at any time."""

from __future__ import annotations

from pathlib import Path

from exported_models.workspace import Workspace
from pipeline.progress import Progress
from pipeline.project import Project
from pipeline.summary import BuildSummary, ExportSummary


def build(project: Project, workspace: Workspace, *, progress: Progress) -> BuildSummary:
    """Bring the published model and store of a project up to date.

    Raises:
        PipelineError: the project, checkpoint, corpus or machine does not allow it; nothing is published then.
    """
    raise NotImplementedError


def export_model(
    checkpoint: Path,
    adapter: str | None,
    model_id: str,
    workspace: Workspace,
    *,
    progress: Progress,
) -> ExportSummary:
    """Export, verify and publish a checkpoint as a model alone.

    Raises:
        PipelineError: the checkpoint cannot be read or exported, or parity fails; nothing is published then.
    """
    raise NotImplementedError
