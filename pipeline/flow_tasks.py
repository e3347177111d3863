"""The build as Prefect sees it: one flow of coarse tasks, each a step of `pipeline.build`, given paths and no data."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from exported_models.workspace import Workspace
from pipeline.build import STEPS, is_up_to_date, open_build, prepare_run, run_step, summarize
from pipeline.progress import LineProgress, Progress
from pipeline.project import load_project
from pipeline.summary import StepSummary

REPORTING: ContextVar[Progress | None] = ContextVar("REPORTING", default=None)
"""Where the flow reports to; None is its own log."""


@flow(name="beamscope-build", validate_parameters=False)
def build_flow(project_path: str, workspace_root: str) -> dict[str, Any]:
    """Bring a project's model and store up to date; returns the `BuildSummary` as a document."""
    project, workspace = load_project(Path(project_path)), Workspace(Path(workspace_root))
    with open_build(project, workspace, progress=_progress()) as run:
        if is_up_to_date(run):
            return summarize(run, changed=False).to_document()
        for name, _ in STEPS:
            done = build_step.with_options(name=name)(project_path, workspace_root, name)
            run.steps.append(StepSummary(**done))
        return summarize(run, changed=True).to_document()


# Steps know themselves what is done: Prefect's cache would only forget that the files are gone.
@task(cache_policy=NO_CACHE)
def build_step(project_path: str, workspace_root: str, name: str) -> dict[str, Any]:
    """Run one step; the flow keeps other builds of the same names out meanwhile."""
    project, workspace = load_project(Path(project_path)), Workspace(Path(workspace_root))
    run = prepare_run(project, workspace, progress=_progress())
    run_step(run, name, dict(STEPS)[name])
    return asdict(run.steps[-1])


def _progress() -> Progress:
    return REPORTING.get() or LineProgress(sys.stderr)
