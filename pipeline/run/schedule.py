"""Serving the build flow on a schedule.

Schedules fire on a Prefect server: the one that ``PREFECT_API_URL`` names, else one that is started here, on the
loopback interface, with its database in the workspace. (The temporary server of a single flow run never fires any.)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from exported_models.contract.errors import shorten
from exported_models.contract.publishing import explain_disk_errors
from exported_models.contract.workspace import Workspace
from pipeline.build.project_file import Project, load_project
from pipeline.errors import ScheduleError
from pipeline.progress import Progress, open_progress
from pipeline.run.flow import prefect_environment, prefect_folder, start_process

_SERVER_SECONDS = 180.0
_CRON_FIELDS = 5
_API_VARIABLE = "PREFECT_API_URL"


def serve(
    project_path: Path, workspace: Workspace, cron: str | None = None, *, progress: Progress | None = None
) -> None:
    """Build a project on a schedule until interrupted; ``cron`` overrules the project file's.

    Raises:
        ScheduleError: no schedule is given, it is not valid, or no Prefect server can be reached or started.
    """
    project = load_project(project_path)
    line = _choose_cron(project, workspace, cron)
    shown = progress or open_progress()
    with _server(workspace, shown) as api:
        environment = {**prefect_environment(workspace), _API_VARIABLE: api}
        log = prefect_folder(workspace) / "schedule.log"
        arguments = ["pipeline.run.schedule_worker", str(project.path), str(workspace.root.resolve()), line]
        with start_process(arguments, log, environment) as process:
            place = workspace.root.resolve()
            shown.note(f"{project.store_id} is built at {line!r} in {place}; log: {log}. Ctrl+C ends it.")
            code = process.wait()
    raise ScheduleError(f"The schedule ended by itself (exit code {code}); its log is {log}.")


def _choose_cron(project: Project, workspace: Workspace, cron: str | None) -> str:
    named = project.content.schedule.cron if project.content.schedule else None
    line = cron if cron is not None else named
    if line is None:
        raise ScheduleError(
            f'No schedule is given: add [schedule] cron = "0 3 * * *" to {project.path}, or use --cron.'
        )
    home = prefect_folder(workspace)
    with explain_disk_errors(home):
        home.mkdir(parents=True, exist_ok=True)
    with _environment(prefect_environment(workspace)):
        from prefect.server.schemas.schedules import CronSchedule

    try:
        schedule = CronSchedule(cron=line)
        is_cron = len(line.split()) == _CRON_FIELDS or line.startswith("@")
    except ValueError:
        is_cron = False
    if not is_cron:
        raise ScheduleError(
            f'{shorten(line)!r} is not a cron line: five fields are needed, as in "0 3 * * *" for every night at three.'
        )
    try:
        asyncio.run(schedule.get_dates(1))
    except ValueError:
        raise ScheduleError(f"{shorten(line)!r} names a day that never comes; no build would start.") from None
    return line


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the time of the context; Prefect reads them when it is imported."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _server(workspace: Workspace, progress: Progress) -> Iterator[str]:
    """The address of a Prefect server's API, for the time of the context."""
    given = os.environ.get(_API_VARIABLE)
    if given:
        if not _answers(given):
            raise ScheduleError(f"No Prefect server answers at {given}; start it, or unset {_API_VARIABLE}.")
        yield given
        return
    port = _free_port()
    log = prefect_folder(workspace) / "server.log"
    progress.note("Starting a Prefect server")
    arguments = ["pipeline.run.schedule_server", "127.0.0.1", str(port)]
    with start_process(arguments, log, prefect_environment(workspace)) as process:
        api = f"http://127.0.0.1:{port}/api"
        deadline = time.monotonic() + _SERVER_SECONDS
        while not _answers(api):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ScheduleError(f"The Prefect server did not start; its log is {log}.")
            time.sleep(0.5)
        progress.note(f"Prefect's own page is at http://127.0.0.1:{port}")
        yield api


def _answers(api: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api.rstrip('/')}/health", timeout=5) as reply:
            return bool(reply.status == 200)
    except (OSError, ValueError, urllib.error.URLError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
