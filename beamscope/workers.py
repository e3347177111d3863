"""Several processes behind one socket: they share its connections and, by memory maps, the stores.

SIGTERM and SIGINT end all of them, SIGHUP replaces one after the other. A process that is told to end drains: it
takes no new connections, answers what it was asked, and ends. One that dies is replaced.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Final, NoReturn

SECONDS_TO_START: Final = 60.0
"""Longest wait for a new process before the next one is replaced all the same."""
_SHORTEST_LIFE: Final = 1.0
"""Seconds that a process which ends by itself is waited for, so that a defect does not start hundreds a second."""

Work = Callable[[Callable[[], None]], None]
"""The work of a process, which calls its argument when it is ready."""


class Workers:
    """The processes, and the one that looks after them.

    Args:
        work: run in each process, forked before anything large was opened.
        when_ready: called once, when all of them answer.
        when_gone: called with the id of each process that ended.
    """

    def __init__(
        self, count: int, work: Work, when_ready: Callable[[], None], when_gone: Callable[[int], object]
    ) -> None:
        self._count = count
        self._work = work
        self._when_ready = when_ready
        self._when_gone = when_gone
        self._begun: dict[int, float] = {}
        self._leaving: set[int] = set()
        self._ending = False
        self._asked_to_replace = False

    def run(self) -> None:
        """Keep the processes running until SIGTERM or SIGINT, and wait for them to end."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._end)
        signal.signal(signal.SIGHUP, self._ask_to_replace)
        ready = [self._start() for _ in range(self._count)]
        for end in ready:
            _await_ready(end)
        if not self._ending:
            self._when_ready()
        while self._begun:
            if self._asked_to_replace and not self._ending:
                self._asked_to_replace = False
                self._replace_all()
            self._look_after()

    def _replace_all(self) -> None:
        """Start a process for each and, when it answers, let the old one go."""
        for old in list(self._begun):
            _await_ready(self._start())
            self._leaving.add(old)
            _tell(old, signal.SIGTERM)

    def _look_after(self) -> None:
        """Wait a moment for a process to end; start another where it was not told to."""
        found, _ = os.waitpid(-1, os.WNOHANG)
        if not found:
            time.sleep(0.05)
            return
        begun = self._begun.pop(found)
        self._when_gone(found)
        if found in self._leaving:
            self._leaving.discard(found)
        elif not self._ending:
            time.sleep(max(0.0, _SHORTEST_LIFE - (time.monotonic() - begun)))
            self._start()

    def _start(self) -> int:
        """Start a process; return the end of a pipe that closes when it is ready or has ended."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._be_worker(writing)
        os.close(writing)
        self._begun[child] = time.monotonic()
        return reading

    def _be_worker(self, writing: int) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        # Ctrl-C reaches every process of the terminal: the one that looks after them tells them.
        for each in (signal.SIGINT, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        code = 1
        try:
            self._work(lambda: os.close(writing))
        except KeyboardInterrupt:
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _end(self, *_: object) -> None:
        self._ending = True
        for child in list(self._begun):
            _tell(child, signal.SIGTERM)

    def _ask_to_replace(self, *_: object) -> None:
        self._asked_to_replace = True


def _await_ready(reading: int) -> None:
    """Wait until the other end of a pipe is closed."""
    try:
        select.select([reading], [], [], SECONDS_TO_START)
    finally:
        os.close(reading)


def _tell(child: int, what: signal.Signals) -> None:
    try:
        os.kill(child, what)
    except ProcessLookupError:
        return
