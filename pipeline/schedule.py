"""Serving the build flow on a schedule."""

from __future__ import annotations

from pathlib import Path

from exported_models.workspace import Workspace


def serve(project_path: Path, workspace: Workspace, cron: str | None = None) -> None:
    """Build a project on a schedule until interrupted; ``cron`` overrules the project file's.

    Raises:
        ScheduleError: no schedule is given, it is not valid, or no Prefect server can be reached or started.
    """
    raise NotImplementedError
