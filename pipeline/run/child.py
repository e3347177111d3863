"""The child's side of `pipeline.run.flow.start_process`: how its processes begin, and how they end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TextIO

_STANDARD_INPUT = 0


def open_answers() -> TextIO:
    """Prepare this process and return the stream on which it answers its parent.

    1. SIGINT interrupts. A shell may have started the parent with SIGINT ignored, and children inherit that.
    2. Standard output carries answers alone. Prefect's own prints go to standard error, which is a log.
    3. The process ends with its parent; see `_end_with_parent`.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _end_with_parent()
    return answers


def _end_with_parent() -> None:
    """End this process, and all it started, as soon as standard input closes: it does when the parent dies."""

    def watch() -> None:
        # Not through sys.stdin, whose lock would be held when the interpreter ends.
        while os.read(_STANDARD_INPUT, 1):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
