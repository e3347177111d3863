"""Builds that are disturbed: where they begin, how they are run, and what must be published when they are over."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from campaign.file_events import COUNT_FILE
from campaign.outcome import Outcome, Setting
from exported_models.contract.errors import BeamscopeError
from exported_models.contract.publishing import check_files
from exported_models.contract.workspace import Workspace

NAME: Final = "dates"
_LONGEST_BUILD = 1200
_FEWER_PAIRS, _PAIRS = 40, 60
_ENVIRONMENT: Final = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
"""Threads of OpenBLAS wait for each other in busy loops: a small build would take three times the processor time."""
_EXAMPLE: Final = Path(__file__).resolve().parent.parent / "examples" / "dates"


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where the builds of a part begin, and how one goes that nothing disturbs.

    Attributes:
        project: the project file.
        before: the workspace that every case copies; None where a case begins with an empty one.
        after: the workspace that the build leaves.
        wanted: names of the builds that the project ends with, which are digests, by kind of artefact.
        allowed: names of builds that a reader may see meanwhile: those and the earlier ones.
        changes: number of changes to files that the build takes.
        seconds: duration of the build.
    """

    project: Path
    before: Workspace | None
    after: Workspace
    wanted: Mapping[str, str]
    allowed: frozenset[str]
    changes: int
    seconds: float

    def lay_out(self, workspace: Workspace) -> None:
        """Make the workspace of a case."""
        if self.before is not None:
            shutil.copytree(self.before.root, workspace.root, symlinks=True)
        workspace.root.mkdir(exist_ok=True)

    def command(self, workspace: Workspace, *options: str) -> list[str]:
        """The command that builds the project."""
        return build_command(self.project, workspace, *options)

    def counted(self, workspace: Workspace, change: int) -> list[str]:
        """The same, killed before a change to the workspace; 0 counts the changes."""
        counting = [sys.executable, "-m", "campaign.file_events", str(workspace.root), str(change)]
        return [*counting, *self.command(workspace, "--no-prefect")[3:]]


def begin_with_nothing(setting: Setting) -> Beginning:
    """Begin with an empty workspace: the model is exported and verified, and a small corpus encoded."""
    return _measure(setting.scratch / "from-nothing", None)


def begin_with_published(setting: Setting) -> Beginning:
    """Begin with the model and a store of fewer pairs, published: the store is built anew."""
    before = setting.copy_workspace()
    fewer = write_small_project(setting.scratch / "fewer", _FEWER_PAIRS)
    run(build_command(fewer, before, "--no-prefect")).check_returncode()
    return _measure(setting.scratch / "from-published", before)


def _measure(folder: Path, before: Workspace | None) -> Beginning:
    """Run a build that nothing disturbs in ``folder``."""
    after = Workspace(folder / "workspace")
    beginning = Beginning(write_small_project(folder, _PAIRS), before, after, {}, frozenset(), 0, 0.0)
    beginning.lay_out(after)
    begun = time.monotonic()
    run(beginning.counted(after, 0)).check_returncode()
    seconds = time.monotonic() - begun
    changes = int((folder / COUNT_FILE).read_text(encoding="utf-8"))
    wanted, earlier = name_builds(after), name_builds(before) if before else {}
    allowed = frozenset({*earlier.values(), *wanted.values()})
    return replace(beginning, wanted=wanted, allowed=allowed, changes=changes, seconds=seconds)


def build_again(outcome: Outcome, beginning: Beginning, workspace: Workspace, what: str) -> None:
    """Look at what a disturbed build left, build once more without disturbance, and note the case."""
    seen = _describe_readers(workspace, beginning.allowed)
    ended = run(beginning.command(workspace, "--no-prefect"))
    seen = seen or _describe_readers(workspace, frozenset(beginning.wanted.values()))
    if seen:
        outcome.note("readers saw another build", f"{what}: {seen}")
    elif ended.returncode:
        outcome.note("not resumed", f"{what}: {ended.stderr.strip()[-200:]}")
    elif name_builds(workspace) != beginning.wanted:
        outcome.note("other hashes", f"{what}: {name_builds(workspace)}, not {dict(beginning.wanted)}")
    else:
        outcome.note("same hashes")


def _describe_readers(workspace: Workspace, allowed: frozenset[str]) -> str:
    """Name what is wrong with the published artefacts as a reader sees them; empty where nothing is."""
    for name in name_builds(workspace).values():
        if name not in allowed:
            return f"{name} was published, which is none of {sorted(allowed)}"
    problems = [
        f"{folder.name}/{check.name} {check.problem}"
        for folder in _list_folders(workspace).values()
        for check in check_files(folder)
        if check.problem
    ]
    return "; ".join(problems[:3])


def name_builds(workspace: Workspace) -> dict[str, str]:
    """The folders of the published builds, which are named by the digests of their manifests, by kind of artefact."""
    return {kind: folder.name for kind, folder in _list_folders(workspace).items()}


def _list_folders(workspace: Workspace) -> dict[str, Path]:
    folders = {}
    for kind, find in (("model", workspace.model_folder), ("store", workspace.store_folder)):
        try:
            folders[kind] = find(NAME)
        except BeamscopeError:
            continue  # nothing was published yet
    return folders


def run(command: Sequence[str], **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; ``more`` is of its environment."""
    return subprocess.run(
        command, env=_ENVIRONMENT | more, capture_output=True, text=True, check=False, timeout=_LONGEST_BUILD
    )


def run_until(seconds: float, command: Sequence[str], **more: str) -> None:
    """Run a command and kill it after so many seconds."""
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(command, env=_ENVIRONMENT | more, stderr=nowhere, stdout=nowhere)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def build_command(project: Path, workspace: Workspace, *options: str) -> list[str]:
    """The command that builds a project into a workspace."""
    arguments = ["build", str(project), "--workspace", str(workspace.root), *options]
    return [sys.executable, "-m", "beamscope", *arguments]


def write_small_project(folder: Path, pairs: int, store_id: str = NAME) -> Path:
    """A project whose store is built in seconds: without UMAP, which compiles itself for half a minute."""
    folder.mkdir(parents=True, exist_ok=True)
    more = f'id = "{store_id}"\nmaps = ["landmark_mds"]\n'
    return project_of(folder, pairs, more)


def project_of(folder: Path, pairs: int = 300, more: str = "") -> Path:
    """Write the project of the campaign: the shipped dates model with so many pairs; ``more`` is of its store."""
    path = folder / "project.toml"
    path.write_text(
        f"""[model]
id = "{NAME}"
adapter = "luong"
checkpoint = '{_EXAMPLE / "checkpoint"}'

[corpus]
generator = '{_EXAMPLE / "corpus.py"}'
train = "train.tsv"
validation = "validation.tsv"
limit = {pairs}

[store]
shard_pairs = {max(pairs // 3, 1)}
{more}""",
        encoding="utf-8",
    )
    return path
