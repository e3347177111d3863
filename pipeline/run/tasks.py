"""The build as a Prefect flow: every step of `pipeline.build.steps` is a task without arguments or result."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from exported_models.contract.workspace import Workspace
from pipeline.build.building import build
from pipeline.build.project_file import load_project
from pipeline.progress import LineProgress, Progress
from pipeline.work.digests import Digests


@dataclass(frozen=True, slots=True)
class Parent:
    """Values of the process that started this one: its progress, and the digests of files that it read."""

    progress: Progress
    digests: Digests


PARENT: ContextVar[Parent | None] = ContextVar("PARENT", default=None)
"""None where a schedule runs the flow."""


@flow(name="beamscope-build", validate_parameters=False)
def build_flow(project_path: str, workspace_root: str) -> dict[str, Any]:
    """Bring a project's model and store up to date; returns the `BuildSummary` as a document."""
    project, workspace, parent = load_project(Path(project_path)), Workspace(Path(workspace_root)), _parent()
    summary = build(project, workspace, progress=parent.progress, runner=_run_task, digests=parent.digests)
    return summary.to_document()


def _parent() -> Parent:
    # Not in the flow itself: a schedule pickles the flow's function with the globals it uses, and a context variable
    # cannot be pickled.
    return PARENT.get() or Parent(LineProgress(sys.stderr), Digests())


def _run_task(name: str, step: Callable[[], None]) -> None:
    """Run a step as a task without arguments or result, which Prefect would copy and look into."""

    # The ledger knows which steps are done. Prefect's cache would only forget that their files are gone.
    @task(name=name, cache_policy=NO_CACHE)
    def step_task() -> None:
        step()

    step_task()
