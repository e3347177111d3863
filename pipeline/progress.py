"""Progress of builds: bars with the time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 10.0

Advance = Callable[[int], None]
"""Reports that so many more units of the running step are done."""


class Progress(Protocol):
    """The protocol that builds report by."""

    def note(self, message: str) -> None:
        """Show a line."""

    def track(self, title: str, total: int, unit: str) -> AbstractContextManager[Advance]:
        """A context in which ``total`` units of work are done."""


class SilentProgress:
    """Reports to nobody."""

    def note(self, message: str) -> None:
        """Nothing is shown."""

    @contextmanager
    def track(self, title: str, total: int, unit: str) -> Iterator[Advance]:  # noqa: ARG002 (the protocol's names)
        yield lambda count: None  # noqa: ARG005


class BarProgress:
    """Bars with the time left, for a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def note(self, message: str) -> None:
        tqdm.write(message, file=self._stream)

    @contextmanager
    def track(self, title: str, total: int, unit: str) -> Iterator[Advance]:
        with tqdm(total=total, desc=title, unit=f" {unit}", file=self._stream, leave=False) as bar:

            def advance(count: int) -> None:
                bar.update(count)

            yield advance


class LineProgress:
    """A line when a step begins and every ten seconds, with the time left, for a log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def note(self, message: str) -> None:
        self._stream.write(message + "\n")
        self._stream.flush()

    @contextmanager
    def track(self, title: str, total: int, unit: str) -> Iterator[Advance]:
        started = shown = time.monotonic()
        done = 0
        if total:
            self.note(f"{title}: {total:,} {unit}")

        def advance(count: int) -> None:
            nonlocal done, shown
            done += count
            now = time.monotonic()
            if now - shown >= _SECONDS_BETWEEN_LINES and 0 < done < total:
                shown = now
                left = format_seconds((now - started) * (total - done) / done)
                self.note(f"{title}: {done:,} of {total:,} {unit}, about {left} left")

        yield advance
        seconds = time.monotonic() - started
        if seconds >= _SECONDS_BETWEEN_LINES:
            self.note(f"{title}: done in {format_seconds(seconds)}")


def open_progress(stream: TextIO | None = None) -> Progress:
    """Bars if ``stream`` (default: stderr) is a terminal, else lines."""
    chosen = stream or sys.stderr
    return BarProgress(chosen) if chosen.isatty() else LineProgress(chosen)


def format_seconds(seconds: float) -> str:
    """A duration for people: ``0.4 s``, ``12 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
