"""Running the build as a Prefect flow, without the output of Prefect.

Prefect and its temporary server write tracebacks to the terminal on runs that succeed ("database is locked",
``CancelledError``), some of them when the interpreter ends. The flow therefore runs in a child process, whose output
goes to a log file in the workspace. Notes, progress, the summary and errors come back through a pipe, a JSON object a
line. The child process ends with this one.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import exported_models.contract.errors
import pipeline.errors
import state_store.errors
from exported_models.contract.errors import BeamscopeError
from exported_models.contract.publishing import explain_disk_errors, write_json_atomically
from exported_models.contract.workspace import Workspace
from pipeline.build.building import find_unchanged
from pipeline.build.project_file import load_project
from pipeline.build.summary import BuildSummary
from pipeline.errors import PipelineError
from pipeline.progress import Advance, Progress
from pipeline.work.digests import Digests

_ERROR_MODULES = (pipeline.errors, state_store.errors, exported_models.contract.errors)


def run_flow(project_path: Path, workspace: Workspace, *, progress: Progress) -> BuildSummary:
    """Build a project as a Prefect flow. Where nothing is to be done, Prefect is not started.

    Raises:
        PipelineError: as `pipeline.build.building.build`.
    """
    project = load_project(project_path)
    digests = Digests()
    unchanged = find_unchanged(project, workspace, progress=progress, digests=digests)
    if unchanged is not None:
        return unchanged
    progress.note("Starting Prefect")
    return BuildSummary.from_document(_run_worker(project.path, workspace, digests, progress))


def prefect_folder(workspace: Workspace) -> Path:
    """The folder of Prefect's files, and of the logs of its processes."""
    return workspace.builds_folder / "prefect"


def prefect_environment(workspace: Workspace) -> dict[str, str]:
    """The environment of a process that imports Prefect: its home is in the workspace, and telemetry is off."""
    return {
        **os.environ,
        "PREFECT_HOME": str(prefect_folder(workspace).resolve()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # A busy machine may take long to start the temporary server.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    }


@contextlib.contextmanager
def start_process(arguments: list[str], log: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a module in a child process; its answers are on ``stdout``, and all other output is in ``log``.

    The child leads a process group. The group ends when the child's ``stdin`` closes: at the end of the context, or
    when this process dies. See `pipeline.run.child`.
    """
    with explain_disk_errors(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        noise = log.open("w", encoding="utf-8")
    with noise:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=noise,
            env=environment,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _end(process)


def _run_worker(project_path: Path, workspace: Workspace, digests: Digests, progress: Progress) -> dict[str, Any]:
    log, handed = prefect_folder(workspace) / "build.log", prefect_folder(workspace) / "digests.json"
    with explain_disk_errors(handed):
        handed.parent.mkdir(parents=True, exist_ok=True)
    write_json_atomically(handed, digests.to_document())
    arguments = ["pipeline.run.worker", str(project_path), str(workspace.root.resolve()), str(handed)]
    with start_process(arguments, log, prefect_environment(workspace)) as process:
        assert process.stdout is not None
        answer = _relay(process.stdout, progress)
        code = process.wait()
    if answer is None:
        raise PipelineError(
            f"The build ended without an answer (exit code {code}); its log is {log}. Run the same command again: "
            "it goes on where it was."
        )
    return answer


def _relay(lines: IO[str], progress: Progress) -> dict[str, Any] | None:
    """Show the notes and the progress of the worker, and return its summary; None if there is none."""
    with contextlib.ExitStack() as tracked:
        advance: Advance | None = None
        for line in lines:
            message = json.loads(line)
            match message["kind"]:
                case "note":
                    progress.note(message["text"])
                case "track":
                    tracked.close()
                    advance = tracked.enter_context(progress.track(message["title"], message["total"], message["unit"]))
                case "advance" if advance is not None:
                    advance(message["count"])
                case "tracked":
                    tracked.close()
                    advance = None
                case "error":
                    raise _rebuild_error(message["type"], message["text"])
                case "summary":
                    summary: dict[str, Any] = message["summary"]
                    return summary
    return None


def _rebuild_error(name: str, text: str) -> BeamscopeError:
    """The error that the worker reports; a `PipelineError` if its class is unknown."""
    for module in _ERROR_MODULES:
        kind = getattr(module, name, None)
        if isinstance(kind, type) and issubclass(kind, BeamscopeError):
            return kind(text)
    return PipelineError(text)


def _end(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
