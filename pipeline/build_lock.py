"""One build of a name at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exported_models.publishing import explain_disk_errors
from pipeline.errors import BuildError

_LOCK_FILE = "lock"


@contextmanager
def only_build(folder: Path, name: str) -> Iterator[None]:
    """Hold the build folder of ``name`` for the time of the context.

    The operating system lets go of the lock when its process ends, however it ends: a lock is never left behind.

    Raises:
        BuildError: another process builds that name.
    """
    with explain_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _acquire(descriptor, name)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, name: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
        process = f" (process {holder})" if holder else ""
        raise BuildError(
            f"{name} is being built by another command{process}; wait for it, or stop it and run this again."
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
