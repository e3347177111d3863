"""Publishing that is killed before each of its changes to files: readers see one build, and the next run ends it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from campaign.file_events import COUNT_FILE
from campaign.outcome import Outcome, Setting
from exported_models.contract.errors import ArtefactError
from exported_models.contract.publishing import check_files, publish
from pipeline.work.lock import only_build

_PUBLISH = """
import sys
from pathlib import Path
from campaign.file_events import die_before
from exported_models.contract.publishing import publish

folder, number = Path(sys.argv[1]), int(sys.argv[2])
die_before(folder, number)
publish(folder / "staged", folder / "store", {"format": 2}, {})
"""
_OLDEST, _OLD, _NEW = "oldest", "old", "new"


def kill_publishing(setting: Setting) -> Outcome:
    """Kill the publishing of a third build before its first change, its second, and so on to the last.

    At most ``cases`` of them, spread evenly.
    """
    outcome = Outcome()
    new, changes = _publish_undisturbed(setting.scratch / "undisturbed")
    outcome.figures["changes"] = changes
    for number in range(1, changes + 1, max(1, changes // max(setting.cases, 1))):
        folder = setting.scratch / f"change-{number}"
        _publish_two(folder)
        ended = _publish_until(folder, number)
        found = _read(folder)
        with only_build(folder, "The store"):  # as every build begins
            _stage(folder, _NEW)
            again = publish(folder / "staged", folder / "store", {"format": 2}, {}).name
        if ended == 0 or found not in (_OLD, _NEW) or (again, _read(folder)) != (new, _NEW):
            outcome.note("mixed", f"before change {number}: a reader found {found}, the next run ended with {again}")
        elif extra := _list_others(folder):
            outcome.note("left behind", f"before change {number}: {extra} stay")
        else:
            outcome.note(f"readers saw the {found} build")
        shutil.rmtree(folder)
    return outcome


def _publish_undisturbed(folder: Path) -> tuple[str, int]:
    """The name of the third build, and the number of changes that publishing it takes."""
    _publish_two(folder)
    _publish_until(folder, 0)
    return (folder / "store").resolve().name, int(folder.with_name(COUNT_FILE).read_text(encoding="utf-8"))


def _publish_two(folder: Path) -> None:
    for text in (_OLDEST, _OLD):
        _stage(folder, text)
        publish(folder / "staged", folder / "store", {"format": 2}, {})
    _stage(folder, _NEW)


def _stage(folder: Path, text: str) -> None:
    staged = folder / "staged"
    staged.mkdir(parents=True, exist_ok=True)
    (staged / "build.txt").write_text(text, encoding="utf-8")


def _publish_until(folder: Path, number: int) -> int:
    command = [sys.executable, "-c", _PUBLISH, str(folder), str(number)]
    return subprocess.run(command, check=number == 0, timeout=60).returncode


def _read(folder: Path) -> str:
    """The build that a reader sees: its text, or what is wrong with it."""
    published = (folder / "store").resolve()
    try:
        problems = [f"{check.name} {check.problem}" for check in check_files(published) if check.problem]
    except ArtefactError as error:
        return str(error)
    return "; ".join(problems) or (published / "build.txt").read_text(encoding="utf-8")


def _list_others(folder: Path) -> list[str]:
    """Names in the folder that are neither builds, the link to one, nor the lock."""
    return sorted(path.name for path in folder.iterdir() if path.name not in ("store", ".builds", "lock"))
