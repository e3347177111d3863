"""The build as a Prefect flow of the same steps."""

from __future__ import annotations

from pathlib import Path

from exported_models.workspace import Workspace
from pipeline.progress import Progress
from pipeline.summary import BuildSummary


def run_flow(project_path: Path, workspace: Workspace, *, progress: Progress) -> BuildSummary:
    """Build a project as a Prefect flow.

    Raises:
        PipelineError: as `pipeline.build.build`.
    """
    raise NotImplementedError
