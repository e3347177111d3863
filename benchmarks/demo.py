"""Duration of `beamscope demo`: the first build step by step, and a second start until the page answers."""

from __future__ import annotations

import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.dates import Dates
from benchmarks.report import Figure, Report
from exported_models.contract.workspace import Workspace
from pipeline.build.building import build
from pipeline.progress import open_progress
from scripts.running_workbench import running_workbench


def run(dates: Dates) -> Report:
    """Build into an empty folder, then start the demo over it as a program."""
    with tempfile.TemporaryDirectory(prefix="beamscope-demo-") as folder:
        summary = build(dates.project, Workspace(Path(folder)), progress=open_progress())
        second = _time_second_start(Path(folder))
    steps = [(step.name, step.seconds) for step in summary.steps]
    rows: list[dict[str, Figure]] = [
        {"step": name, "seconds": round(seconds, 1)}
        for name, seconds in (*steps, ("whole build", summary.seconds), ("second start", second))
    ]
    return Report(
        "The demo, step by step",
        rows,
        f"{summary.pairs:,} pairs, {sum(space.rows for space in summary.spaces):,} states. "
        "A second start is counted from the shell's command to the answered page.",
    )


def _time_second_start(workspace: Path) -> float:
    """Seconds from the command to the answered page."""
    started = time.perf_counter()
    with running_workbench("demo", workspace) as address, urllib.request.urlopen(address):
        return time.perf_counter() - started
