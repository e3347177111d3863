"""A bar for work that takes more than a second, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BAR_AFTER_SECONDS = 1.0


@contextmanager
def show_progress(what: str) -> Iterator[Callable[[int], object]]:
    """Give a function that takes the number of pieces that were done; Ctrl-C ends the work."""
    from tqdm import tqdm

    # The number of pieces is known to the work alone: the bar counts them.
    with tqdm(desc=what, unit="", delay=BAR_AFTER_SECONDS, disable=not sys.stderr.isatty(), leave=False) as bar:
        yield bar.update
