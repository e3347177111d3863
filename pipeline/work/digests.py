"""Digests of files, each computed once a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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

    def to_document(self) -> list[Any]:
        """The digests as a JSON value, for another process of the same run."""
        return [[*identity, digest] for identity, digest in self._known.items()]

    @classmethod
    def from_document(cls, document: Sequence[Sequence[Any]]) -> Digests:
        """The digests of a JSON value that `to_document` made."""
        return cls({(device, inode, size, time): digest for device, inode, size, time, digest in document})
