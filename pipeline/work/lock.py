"""One build of a name at a time."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exported_models.contract.publishing import explain_disk_errors, remove_unfinished
from pipeline.errors import BuildError

_LOCK_FILE = "lock"
_PATIENCE_SECONDS = 2.0


@contextmanager
def only_build(folder: Path, name: str) -> Iterator[None]:
    """Hold the build folder of ``name`` for the time of the context.

    The operating system releases the lock when its process ends, so no lock is ever left behind. The process of a
    command that was just killed may take a moment to end; the lock is waited for as long. Files that it had begun to
    write are removed.

    Raises:
        BuildError: another process builds that name.
        PublishingError: the folder cannot be written.
    """
    with explain_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _acquire(descriptor, name)
        remove_unfinished(folder)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, name: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _try(descriptor):
        if time.monotonic() > deadline:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            process = f" (process {holder})" if holder else ""
            raise BuildError(
                f"{name} is being built by another command{process}; wait for it, or stop it and run this again."
            )
        time.sleep(_PATIENCE_SECONDS / 20)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
