"""Builds that are killed, or find the disk full: the next one goes on and ends with the same hashes."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from campaign.file_events import COUNT_FILE
from campaign.outcome import Outcome, Setting
from exported_models.contract.errors import WorkspaceError
from exported_models.contract.workspace import Workspace

_LONGEST_BUILD = 1200
_SMALLEST_FILE = 10_000


def kill_builds(setting: Setting) -> Outcome:
    """Kill a build and run it again: every second time before a random change to files, else at a random time.

    Those that are killed at a time run under Prefect in turn; its processes cannot be counted along with the build's.
    """
    outcome, chance = Outcome(), random.Random(5)
    wanted, seconds, changes = _build_undisturbed(setting)
    outcome.figures["seconds of a build"] = round(seconds, 1)
    outcome.figures["changes of a build"] = changes
    for number in range(setting.cases):
        workspace = Workspace(setting.scratch / f"killed-{number}")
        if number % 2:
            options = [] if number % 4 == 1 else ["--no-prefect"]
            what = _kill_after(chance.uniform(0, seconds), _command(setting, workspace, *options))
        else:
            what = _kill_before(chance.randint(1, changes), setting, workspace)
        _build_again(outcome, setting, workspace, wanted, what)
        shutil.rmtree(workspace.root)
    return outcome


def _kill_after(seconds: float, command: Sequence[str]) -> str:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    time.sleep(seconds)
    process.kill()
    process.wait()
    return f"killed after {seconds:.1f} s: {' '.join(command[3:])}"


def _kill_before(change: int, setting: Setting, workspace: Workspace) -> str:
    _run(_counted(setting, workspace, change))
    return f"killed before change {change}"


def fill_disk(setting: Setting) -> Outcome:
    """Let no file of a build grow beyond a random size, as a full disk would; then build without that limit."""
    outcome, chance = Outcome(), random.Random(6)
    wanted, _, _ = _build_undisturbed(setting)
    largest = max(path.stat().st_size for path in (setting.scratch / "undisturbed").rglob("*") if path.is_file())
    for number in range(setting.cases):
        workspace = Workspace(setting.scratch / f"full-{number}")
        limit = int(chance.uniform(_SMALLEST_FILE, largest))
        ended = _run(_command(setting, workspace, "--no-prefect"), _limiting_files(limit))
        last = ended.stderr.strip().splitlines()[-1:] or [""]
        if ended.returncode == 0 or "Traceback" in ended.stderr or "defect" in last[0]:
            outcome.note("not refused", f"files of at most {limit} bytes: exit {ended.returncode}, {last[0][:200]}")
        _build_again(outcome, setting, workspace, wanted, f"files of at most {limit} bytes")
        shutil.rmtree(workspace.root)
    return outcome


def _build_again(outcome: Outcome, setting: Setting, workspace: Workspace, wanted: dict[str, str], what: str) -> None:
    ended = _run(_command(setting, workspace, "--no-prefect"))
    if ended.returncode:
        outcome.note("not resumed", f"{what}: {ended.stderr.strip()[-200:]}")
    elif _name_builds(workspace) != wanted:
        outcome.note("other hashes", f"{what}: {_name_builds(workspace)}, not {wanted}")
    else:
        outcome.note("same hashes")


def _build_undisturbed(setting: Setting) -> tuple[dict[str, str], float, int]:
    """The builds, the seconds they took, and the number of changes to files."""
    workspace = Workspace(setting.scratch / "undisturbed")
    begun = time.monotonic()
    _run(_counted(setting, workspace, 0)).check_returncode()
    seconds = time.monotonic() - begun
    return _name_builds(workspace), seconds, int((setting.scratch / COUNT_FILE).read_text(encoding="utf-8"))


def _run(command: list[str], prepare: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, check=False, preexec_fn=prepare, timeout=_LONGEST_BUILD
    )


def _command(setting: Setting, workspace: Workspace, *options: str) -> list[str]:
    workspace.root.mkdir(exist_ok=True)
    return [sys.executable, "-m", "beamscope", *_arguments(setting, workspace, *options)]


def _counted(setting: Setting, workspace: Workspace, change: int) -> list[str]:
    """The command of a build that ends before a change to its workspace, or only counts changes."""
    workspace.root.mkdir(exist_ok=True)
    counting = [sys.executable, "-m", "campaign.file_events", str(workspace.root), str(change)]
    return [*counting, *_arguments(setting, workspace, "--no-prefect")]


def _arguments(setting: Setting, workspace: Workspace, *options: str) -> list[str]:
    return ["build", str(setting.project), "--workspace", str(workspace.root), *options]


def _name_builds(workspace: Workspace) -> dict[str, str]:
    """The folder of each build, which is named by the digest of its manifest."""
    try:
        return {"model": workspace.model_folder("dates").name, "store": workspace.store_folder("dates").name}
    except WorkspaceError:
        return {}


def _limiting_files(limit: int) -> Callable[[], None]:
    def limit_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write then fails, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return limit_files


def project_of(folder: Path, pairs: int = 300) -> Path:
    """Write the project of the campaign: the shipped dates model with so many pairs."""
    example = Path(__file__).resolve().parent.parent / "examples" / "dates"
    path = folder / "project.toml"
    path.write_text(
        f"""[model]
id = "dates"
adapter = "luong"
checkpoint = '{example / "checkpoint"}'

[corpus]
generator = '{example / "corpus.py"}'
train = "train.tsv"
validation = "validation.tsv"
limit = {pairs}

[store]
shard_pairs = {max(pairs // 3, 1)}
""",
        encoding="utf-8",
    )
    return path
