"""The ledger of a build folder: which steps are finished, from which inputs, and with which result.

A fingerprint is the SHA-256 of everything that decides a step's result: digests of its inputs, its settings, and the
revision of its code. A step whose fingerprint is in the ledger, and whose files are there, is not run again: its result
is read from the ledger.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from exported_models.contract.json_text import parse_json
from exported_models.contract.publishing import explain_disk_errors, write_json_atomically
from pipeline.work.digests import Digests

STAGED = "staged"
"""The folder, inside a build folder, of what is going to be published."""
_STEPS_FILE = "finished.json"

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Done(Generic[Result]):
    """A finished step: its result, and whether an earlier run had finished it (``cached``)."""

    result: Result
    cached: bool


@dataclass(frozen=True, slots=True)
class _File:
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """A step as recorded; ``files`` are by path inside the build folder."""

    fingerprint: str | None = None
    files: dict[str, _File] = field(default_factory=dict)
    result: Any = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """The finished steps of a build folder.

    Files of a step are recorded relative to the build folder. Publishing moves those below ``staged/`` away. A later
    build that needs them links them from the published folder, whose files never change, or copies them where the file
    system has no links.

    Attributes:
        folder: the build folder.
        link: where the staged files are published, or None if published files are never taken back.
    """

    folder: Path
    link: Path | None
    digests: Digests

    def find(self, step: str, fingerprint: str, kind: type[Result]) -> Result | None:
        """The result of a step that was finished with a fingerprint; None if it was not, or if files are missing.

        Nothing on disk changes. An entry that another version wrote, with another kind of result, counts as missing.
        """
        entry = self._entry(step)
        if entry.fingerprint != fingerprint or not all(self._is_there(*item) for item in entry.files.items()):
            return None
        try:
            return TypeAdapter(kind).validate_python(entry.result)
        except ValidationError:
            return None

    def run_once(
        self, step: str, fingerprint: str, kind: type[Result], make: Callable[[], tuple[Result, Sequence[Path]]]
    ) -> Done[Result]:
        """Read the result of a finished step, its files restored; otherwise run the step and record it.

        Args:
            make: runs the step; returns its result and the files it wrote, complete on disk.
        """
        known = self.find(step, fingerprint, kind)
        if known is not None:
            self._restore(step)
            return Done(known, cached=True)
        self._clear(step)
        result, files = make()
        self.record(step, fingerprint, files, result)
        return Done(result, cached=False)

    def record(self, step: str, fingerprint: str, files: Sequence[Path], result: object) -> None:
        """Note a finished step; its files are complete on disk by now."""
        listed = {
            path.relative_to(self.folder).as_posix(): _File(path.stat().st_size, self.digests.of(path))
            for path in sorted(files)
        }
        plain = TypeAdapter(type(result)).dump_python(result, mode="json")
        steps = _read_json(self.folder / _STEPS_FILE)
        steps[step] = asdict(_Entry(fingerprint, listed, plain))
        write_json_atomically(self.folder / _STEPS_FILE, steps)

    def recorded_bytes(self, step: str) -> int:
        """Size of the files of a step, as recorded last."""
        return sum(file.bytes for file in self._entry(step).files.values())

    def _entry(self, step: str) -> _Entry:
        """A step as recorded last; an empty entry if it never was, or if the ledger is damaged."""
        try:
            return TypeAdapter(_Entry).validate_python(_read_json(self.folder / _STEPS_FILE).get(step))
        except ValidationError:
            return _Entry()

    def _clear(self, step: str) -> None:
        """Remove the files of a step that is about to run: one may be a link to a published file."""
        for name in self._entry(step).files:
            (self.folder / name).unlink(missing_ok=True)

    def _restore(self, step: str) -> None:
        """Take files of a finished step back from where they were published."""
        for name in self._entry(step).files:
            path = self.folder / name
            kept = None if path.is_file() else self._published(name)
            if kept is not None:
                _link_or_copy(kept, path)

    def _is_there(self, name: str, file: _File) -> bool:
        path = self.folder / name
        if path.is_file():
            return path.stat().st_size == file.bytes
        # The published folder may be of an older build, if one was interrupted between its rename and its link.
        kept = self._published(name)
        return kept is not None and kept.is_file() and self.digests.of(kept) == file.sha256

    def _published(self, name: str) -> Path | None:
        """The path of a staged file once it is published; None for files that are never published."""
        inside = Path(name)
        if self.link is None or inside.parts[0] != STAGED:
            return None
        return self.link.resolve() / Path(*inside.parts[1:])


def _link_or_copy(kept: Path, path: Path) -> None:
    with explain_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(kept, path)
        except OSError:
            shutil.copyfile(kept, path)


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object; an empty one if the file is missing or damaged, so that its work is done again."""
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
