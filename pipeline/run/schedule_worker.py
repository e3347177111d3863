"""The process that serves the flow: ``python -m pipeline.run.schedule_worker PROJECT WORKSPACE CRON``."""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.build.project_file import load_project
from pipeline.run.child import open_answers


def main(project_path: str, workspace_root: str, cron: str) -> None:
    """Serve the build flow until the parent ends."""
    open_answers()
    from pipeline.run.tasks import build_flow

    name = load_project(Path(project_path)).store_id
    parameters = {"project_path": project_path, "workspace_root": workspace_root}
    build_flow.serve(name=name, cron=cron, parameters=parameters, print_starting_message=False, limit=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
