"""Knowing what is done already: fingerprints of inputs and settings, and the ledger of finished steps.

A fingerprint is the SHA-256 of everything that decides a step's result: digests of its inputs, its settings, and the
revision of its code. A step whose fingerprint is in the ledger, and whose files are there, is not run again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exported_models.contract.errors import ArtefactError
from exported_models.contract.json_text import parse_json
from exported_models.contract.publishing import (
    PROVENANCE_NAME,
    check_files,
    digest_file,
    explain_disk_errors,
    write_json_atomically,
)

STAGED = "staged"
_STEPS_FILE = "finished.json"
_PUBLISHED_FILE = "published.json"


@dataclass(frozen=True, slots=True)
class Ledger:
    """What was finished in a build folder.

    Files of a step are given relative to the build folder. Those below ``staged/`` move away when the build is
    published; they are taken from the published folder when a later build needs them again: as links, since published
    files never change, or as copies where the file system has no links.

    Attributes:
        folder: the build folder.
        link: where what is built gets published, or None if nothing is taken from there.
    """

    folder: Path
    link: Path | None

    def recall(self, step: str, fingerprint: str) -> dict[str, Any] | None:
        """The result of a step that was finished with that fingerprint and whose files are there.

        Else None, and what is left of the step is removed: a file that is about to be written again may be a link to a
        published one.
        """
        entry = _read_json(self.folder / _STEPS_FILE).get(step)
        if not isinstance(entry, dict):
            return None
        files: dict[str, dict[str, Any]] = entry.get("files", {})
        if entry.get("fingerprint") == fingerprint and all(self._is_there(*item) for item in files.items()):
            result: dict[str, Any] = entry.get("result", {})
            return result
        for name in files:
            (self.folder / name).unlink(missing_ok=True)
        return None

    def record(self, step: str, fingerprint: str, files: Sequence[Path], result: Mapping[str, Any]) -> None:
        """Note a finished step; its files are complete on disk by now."""
        listed = {
            path.relative_to(self.folder).as_posix(): {"bytes": path.stat().st_size, "sha256": digest_file(path)}
            for path in sorted(files)
        }
        steps = _read_json(self.folder / _STEPS_FILE)
        steps[step] = {"fingerprint": fingerprint, "files": listed, "result": dict(result)}
        write_json_atomically(self.folder / _STEPS_FILE, steps)

    def last_result(self, step: str) -> dict[str, Any]:
        """The result of a step as it was recorded last, wherever its files are by now; empty if there is none."""
        result: dict[str, Any] = _read_json(self.folder / _STEPS_FILE).get(step, {}).get("result", {})
        return result

    def _is_there(self, name: str, entry: Mapping[str, Any]) -> bool:
        path = self.folder / name
        if path.is_file():
            return bool(path.stat().st_size == entry["bytes"])
        inside = Path(name)
        return inside.parts[0] == STAGED and self._take_published(Path(*inside.parts[1:]), path, entry["sha256"])

    def _take_published(self, name: Path, path: Path, digest: str) -> bool:
        """Take a published file, if it is the one that was recorded.

        What is published may be an older build: one of this folder's may have been moved away and never linked.
        """
        if self.link is None:
            return False
        kept = self.link.resolve() / name
        if not kept.is_file() or digest_file(kept) != digest:
            return False
        with explain_disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(kept, path)
            except OSError:
                shutil.copyfile(kept, path)
        return True


def remember_published(folder: Path, fingerprint: str, published: Path) -> None:
    """Note in a build folder what was published from it: an equal build of other inputs keeps its older folder."""
    write_json_atomically(folder / _PUBLISHED_FILE, {"fingerprint": fingerprint, "build": published.name})


def is_intact(complete: Path, fingerprint: str) -> bool:
    """Whether a complete folder was made from that fingerprint, and every file is as it was written."""
    return _read_json(complete / PROVENANCE_NAME).get("fingerprint") == fingerprint and _has_good_files(complete)


def is_current(published: Path | None, fingerprint: str, folder: Path) -> bool:
    """Whether what is published is what would be built, and every file is as it was published.

    Args:
        published: the published folder, or None.
        folder: its build folder.
    """
    if published is None or is_intact(published, fingerprint):
        return published is not None
    note = _read_json(folder / _PUBLISHED_FILE)
    remembered = note.get("fingerprint") == fingerprint and note.get("build") == published.name
    return remembered and _has_good_files(published)


def _has_good_files(complete: Path) -> bool:
    try:
        return not any(check.problem for check in check_files(complete))
    except ArtefactError:
        return False


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object; an empty one if the file is missing or damaged, so that its work is done again."""
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
