"""Digests of files, each computed once a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from exported_models.contract.publishing import digest_file

_Identity = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Digests:
    """The SHA-256 of files that were digested during one run.

    A file is identified by device, inode, size and time of its last change, so that a second link to it and a new name
    for it are the same file. A new run starts with an empty cache, and therefore finds a file that was damaged on disk.
    """

    _known: dict[_Identity, str] = field(default_factory=dict)

    def of(self, path: Path) -> str:
        """SHA-256 of a file's bytes, in hex; the bytes are read the first time alone."""
        status = path.stat()
        identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if identity not in self._known:
            self._known[identity] = digest_file(path)
        return self._known[identity]
