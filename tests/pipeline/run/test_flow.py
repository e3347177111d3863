"""The build as a Prefect flow and on a schedule: the same store, and nothing of Prefect on the terminal."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exported_models.contract.workspace import Workspace
from pipeline.build.building import build
from pipeline.build.project_file import Project
from pipeline.errors import CorpusError, ScheduleError
from pipeline.progress import SilentProgress
from pipeline.run.flow import run_flow, start_process
from pipeline.run.schedule import serve
from tests.artefacts import ROOT
from tests.pipeline.projects import data_files
from tests.processes import accept_interrupts

QUIET = SilentProgress()
RUN = """
import sys
from pathlib import Path
from exported_models.contract.workspace import Workspace
from pipeline.run.flow import run_flow
from pipeline.progress import open_progress

summary = run_flow(Path(sys.argv[1]), Workspace(Path(sys.argv[2])), progress=open_progress())
print(summary.changed)
"""
SERVE = """
import sys
from pathlib import Path
from exported_models.contract.workspace import Workspace
from pipeline.run.schedule import serve

serve(Path(sys.argv[1]), Workspace(Path(sys.argv[2])), "* * * * *")
"""


WORKER = """
import re
import signal
import pipeline.run.child

answers = pipeline.run.child.open_answers()
answers.write(str(signal.getsignal(signal.SIGINT) is signal.default_int_handler))
answers.close()
"""


def test_processes_of_a_build_can_be_interrupted_where_the_shell_ignores_interrupts(tmp_path: Path) -> None:
    (tmp_path / "answering.py").write_text(WORKER, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with start_process(["answering"], tmp_path / "log", environment) as process:
            assert process.stdout is not None
            assert process.stdout.read() == "True", (tmp_path / "log").read_text(encoding="utf-8")
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_a_flow_builds_what_the_plain_steps_build_and_says_nothing_else(
    project: Project, workspace: Workspace, tmp_path: Path
) -> None:
    plain = Workspace(tmp_path / "plain")
    shutil.copytree(workspace.root, plain.root, symlinks=True)
    build(project, plain, progress=QUIET)
    command = [sys.executable, "-c", RUN, str(project.path), str(workspace.root)]
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert first.stdout == "True\n"
    for noise in ("Traceback", "prefect.", "locked", "Cancelled", "Error", "WARNING"):
        assert noise not in first.stderr
    assert [line.split(":")[0] for line in first.stderr.splitlines() if line.endswith(" s")][-1] == "publish"
    assert data_files(workspace) == data_files(plain)
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (second.stdout, second.stderr) == ("False\n", "")
    assert (workspace.builds_folder / "prefect" / "prefect.db").exists()


@pytest.mark.slow
def test_an_error_in_a_flow_is_the_sentence_it_would_be_without(project: Project, workspace: Workspace) -> None:
    text = project.path.read_text(encoding="utf-8")
    broken = project.path.with_name("broken.tsv")
    broken.write_text("1 May 2003\t2003-05-01\nno target\n", encoding="utf-8")
    train = next(line for line in text.splitlines() if line.startswith("train"))
    project.path.write_text(text.replace(train, f"train = '{broken}'"), encoding="utf-8")
    with pytest.raises(CorpusError, match="line 2: 1 column where 2 are expected"):
        run_flow(project.path, workspace, progress=QUIET)
    assert workspace.store_ids() == ()


@pytest.mark.slow
def test_a_schedule_fires_and_its_build_appears(project: Project, workspace: Workspace) -> None:
    command = [sys.executable, "-c", SERVE, str(project.path), str(workspace.root)]
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=accept_interrupts
    ) as process:
        deadline = time.monotonic() + 400
        while not workspace.store_ids() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.5)
        running = process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert running, said
    assert workspace.store_ids() == ("dates",)
    assert "is built at '* * * * *'" in said


def test_a_schedule_needs_a_cron_line_that_is_one(project: Project, workspace: Workspace) -> None:
    with pytest.raises(ScheduleError, match="No schedule is given"):
        serve(project.path, workspace, progress=QUIET)
    for line in ("every night", "0 0 1 1 * 5", "0 0 1 1 * 5 2026", "", "* " * 3000):
        with pytest.raises(ScheduleError, match=rf"'{re.escape(line[:70])}.*' is not a cron line") as caught:
            serve(project.path, workspace, line, progress=QUIET)
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("line", ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6 *"])
def test_a_day_that_never_comes_is_no_schedule(project: Project, workspace: Workspace, line: str) -> None:
    with pytest.raises(ScheduleError, match="names a day that never comes"):
        serve(project.path, workspace, line, progress=QUIET)


def test_checking_a_schedule_leaves_nothing_of_prefect_in_the_home_folder(
    project: Project, workspace: Workspace, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    code = SERVE.replace("* * * * *", "every night")
    command = [sys.executable, "-c", code, str(project.path), str(workspace.root)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "HOME": str(home)}, capture_output=True, text=True, check=False
    )
    assert "'every night' is not a cron line" in done.stderr
    assert not (home / ".prefect").exists()


def test_a_server_that_does_not_answer_is_told(
    project: Project, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "PREFECT_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(ScheduleError, match=r"No Prefect server answers at http://127.0.0.1:9/api"):
        serve(project.path, workspace, "0 3 * * *", progress=QUIET)
