"""Builds that are killed, or find the disk full: the next one goes on and ends with the same hashes."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from campaign.outcome import Outcome, Setting
from exported_models.contract.errors import WorkspaceError
from exported_models.contract.workspace import Workspace

_LONGEST_BUILD = 1200
_SMALLEST_FILE = 10_000


def kill_builds(setting: Setting) -> Outcome:
    """Kill a build, every second one under Prefect, after a random share of its time, and run it again."""
    outcome, chance = Outcome(), random.Random(5)
    wanted, seconds = _build_undisturbed(setting)
    outcome.figures["seconds of a build"] = round(seconds, 1)
    for number in range(setting.cases):
        workspace = Workspace(setting.scratch / f"killed-{number}")
        options = [] if number % 2 else ["--no-prefect"]
        after = chance.uniform(0, seconds)
        process = subprocess.Popen(
            _command(setting, workspace, *options), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        time.sleep(after)
        process.kill()
        process.wait()
        _build_again(outcome, setting, workspace, wanted, f"killed after {after:.1f} s {options}")
        shutil.rmtree(workspace.root)
    return outcome


def fill_disk(setting: Setting) -> Outcome:
    """Let no file of a build grow beyond a random size, as a full disk would; then build without that limit."""
    outcome, chance = Outcome(), random.Random(6)
    wanted, _ = _build_undisturbed(setting)
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


def _build_undisturbed(setting: Setting) -> tuple[dict[str, str], float]:
    workspace = Workspace(setting.scratch / "undisturbed")
    begun = time.monotonic()
    _run(_command(setting, workspace, "--no-prefect")).check_returncode()
    return _name_builds(workspace), time.monotonic() - begun


def _run(command: list[str], prepare: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, check=False, preexec_fn=prepare, timeout=_LONGEST_BUILD
    )


def _command(setting: Setting, workspace: Workspace, *options: str) -> list[str]:
    workspace.root.mkdir(exist_ok=True)
    named = ["build", str(setting.project), "--workspace", str(workspace.root), *options]
    return [sys.executable, "-m", "beamscope", *named]


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
