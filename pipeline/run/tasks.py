"""The build as Prefect sees it: a flow of tasks, each a step of `pipeline.build.steps`, given nothing to look at."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from exported_models.contract.workspace import Workspace
from pipeline.build.building import build
from pipeline.build.project_file import load_project
from pipeline.progress import LineProgress, Progress

REPORTING: ContextVar[Progress | None] = ContextVar("REPORTING", default=None)
"""Where the flow reports to; None is its own log."""


@flow(name="beamscope-build", validate_parameters=False)
def build_flow(project_path: str, workspace_root: str) -> dict[str, Any]:
    """Bring a project's model and store up to date; returns the `BuildSummary` as a document."""
    project, workspace = load_project(Path(project_path)), Workspace(Path(workspace_root))
    return build(project, workspace, progress=_progress(), runner=_run_task).to_document()


def _progress() -> Progress:
    # Not in the flow itself: its function is pickled with what it names when a schedule starts it, and a context
    # variable cannot be.
    return REPORTING.get() or LineProgress(sys.stderr)


def _run_task(name: str, step: Callable[[], None]) -> None:
    """Run a step as a task without arguments or result, which Prefect would copy and look into."""

    # The ledger knows which steps are done. Prefect's cache would only forget that their files are gone.
    @task(name=name, cache_policy=NO_CACHE)
    def step_task() -> None:
        step()

    step_task()
