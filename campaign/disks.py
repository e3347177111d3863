"""Builds that find the disk full: they say so in a sentence, and the next one ends with the same hashes."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from campaign.builds import Beginning, begin_with_nothing, begin_with_published, build_again, run
from campaign.outcome import Outcome, Setting
from exported_models.contract.workspace import Workspace

_ROUND: Final = 10
_FROM_NOTHING: Final = 8
"""Of each round of cases, those from this one on begin with an empty workspace."""
_SMALLEST_FILE: Final = 10_000
_PAGE: Final = 4096
_NAMESPACE: Final = ("unshare", "--map-root-user", "--mount", "sh", "-c")
"""A namespace in which a user may mount file systems, where the machine allows it."""
_ON_SMALL_DISK: Final = """
bytes=$1 disk=$2 before=$3 left=$4; shift 4
mount -t tmpfs -o "size=$bytes" tmpfs "$disk" && cp -a "$before/." "$disk" || exit 125
"$@"
code=$?
cp -a "$disk/." "$left" && exit $code
"""
_NOT_MOUNTED: Final = 125


def fill_disk(setting: Setting) -> Outcome:
    """Let a build find the disk full, and build again where there is room.

    By turns, the build runs on a file system that is full after a random number of bytes, which may be between two
    writes of one file, and where no file can grow beyond a random size. Where the machine lets nobody mount a file
    system, all cases are of the second kind. One case in five begins with an empty workspace.
    """
    outcome, chance, mounting = Outcome(), random.Random(6), _can_mount(setting.scratch)

    @cache
    def begin(from_nothing: bool) -> Beginning:
        return begin_with_nothing(setting) if from_nothing else begin_with_published(setting)

    for number in range(setting.cases):
        beginning = begin(number % _ROUND >= _FROM_NOTHING)
        workspace = Workspace(setting.scratch / f"full-{number}")
        fill = _build_on_small_disk if mounting and number % 2 == 0 else _build_small_files
        what, ended = fill(beginning, workspace, chance)
        last = ended.stderr.strip().splitlines()[-1:] or [""]
        if ended.returncode in (0, _NOT_MOUNTED) or "Traceback" in ended.stderr or "defect" in last[0]:
            outcome.note("not refused", f"{what}: exit {ended.returncode}, {last[0][:200]}")
        build_again(outcome, beginning, workspace, what)
        shutil.rmtree(workspace.root)
    outcome.figures["small file systems"] = (setting.cases + 1) // 2 if mounting else 0
    return outcome


Ended = tuple[str, subprocess.CompletedProcess[str]]


def _build_on_small_disk(beginning: Beginning, workspace: Workspace, chance: random.Random) -> Ended:
    """Build on a file system with room for some of the bytes that the build adds; copy what is left of it."""
    before = beginning.before.root if beginning.before else workspace.root / "nothing"
    disk = workspace.root.with_name("disk")
    for folder in (before, disk, workspace.root):
        folder.mkdir(parents=True, exist_ok=True)
    room = int(chance.uniform(_PAGE, _measure(_list_new(beginning))))
    size = _measure(_list_files(before)) + room
    places = (str(disk), str(before), str(workspace.root))
    command = beginning.command(Workspace(disk), "--no-prefect")
    return f"{room} bytes of room", run([*_NAMESPACE, _ON_SMALL_DISK, "sh", str(size), *places, *command])


def _build_small_files(beginning: Beginning, workspace: Workspace, chance: random.Random) -> Ended:
    beginning.lay_out(workspace)
    largest = max(path.stat().st_size for path in _list_new(beginning))
    limit = int(chance.uniform(_SMALLEST_FILE, largest))
    command = beginning.command(workspace, "--no-prefect")
    return f"files of at most {limit} bytes", run(["prlimit", f"--fsize={limit}", *command])


def _list_new(beginning: Beginning) -> Iterable[Path]:
    """Files of the undisturbed build that were not there before it."""
    before, root = beginning.before, beginning.after.root
    for path in _list_files(root):
        if before is None or not (before.root / path.relative_to(root)).exists():
            yield path


def _measure(files: Iterable[Path]) -> int:
    """Bytes of the pages that files take."""
    found = {(status.st_dev, status.st_ino): status.st_size for status in map(Path.stat, files)}
    return sum(-(-size // _PAGE) * _PAGE for size in found.values())


def _list_files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _can_mount(folder: Path) -> bool:
    probe = [*_NAMESPACE, f'mount -t tmpfs tmpfs "{folder}"']
    return shutil.which(probe[0]) is not None and run(probe).returncode == 0
