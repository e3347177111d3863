"""Background checks of large files of opened builds against their digests, each build once per process."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from exported_models.contract.integrity import SMALL_FILE, Build, ListedFile, identify_build
from exported_models.contract.publishing import check_file

DELAY_S = 2.0
"""Delay in seconds before a check begins, so that the requests that open a build go first."""
_NICENESS = 19
_Job = tuple[Build, str, ListedFile]


class FileWatch:
    """Digests of large files, read by one thread of low priority. Safe to use from many threads.

    Small files are left out: they are compared when a build is opened.
    """

    def __init__(self, delay: float = DELAY_S) -> None:
        """Begin ``delay`` seconds after a build was opened."""
        self._delay = delay
        self._found: dict[Build, dict[str, str]] = {}
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._runs = False

    def add(self, folder: Path, files: Mapping[str, ListedFile]) -> None:
        """Check the large ``files`` of a published folder; a build that was added before is not read again.

        Raises:
            ArtefactError: the folder is gone.
        """
        build = identify_build(folder)
        with self._changed:
            if build in self._found:
                return
            self._found[build] = {}
            self._jobs += [(build, name, entry) for name, entry in files.items() if entry.bytes > SMALL_FILE]
            if self._jobs and not self._runs:
                self._runs = True
                threading.Thread(target=self._work, name="beamscope-file-watch", daemon=True).start()

    def damage(self, build: Build) -> Mapping[str, str]:
        """The damage found so far: name of each damaged file -> its problem."""
        return self._found.get(build, {})

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all files are checked; return False after ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._runs, timeout)

    def _work(self) -> None:
        _step_back()
        time.sleep(self._delay)
        while (job := self._next()) is not None:
            build, name, entry = job
            check = check_file(build[0], name, entry.bytes, entry.sha256)
            # A build that was superseded and removed meanwhile is not damaged.
            if check.problem and _is_there(build):
                self._found[build] = {**self._found[build], name: check.problem}

    def _next(self) -> _Job | None:
        with self._changed:
            if self._jobs:
                return self._jobs.popleft()
            self._runs = False
            self._changed.notify_all()
            return None


def _is_there(build: Build) -> bool:
    folder, inode = build
    return folder.is_dir() and folder.stat().st_ino == inode


def _step_back() -> None:
    """Lower the priority of this thread on Linux, where threads have priorities of their own."""
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
