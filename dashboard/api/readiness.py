"""Readiness: whether the models and stores of a workspace open, looked up behind the answers.

Opening takes seconds and must not hold up a probe. The answer is the last one known; asking makes it anew in a thread
where it is old.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Final

from dashboard.api.types import ReadyDocument

FRESH_SECONDS: Final = 2.0
"""Age from which an answer is made anew."""
PATIENCE_SECONDS: Final = 0.05
"""Longest wait for a new answer before the last one is given."""
_POLL_SECONDS: Final = 0.005

OPENING: Final = ReadyDocument(
    ready=False, models=[], missing=["The models are being opened for the first time; ask again in a moment."]
)


class Readiness:
    """The last known answer to a readiness probe, and one thread that makes the next."""

    def __init__(self, check: Callable[[], ReadyDocument]) -> None:
        self._check = check
        self._known = OPENING
        self._known_at = float("-inf")
        self._checking = threading.Lock()

    async def ask(self) -> ReadyDocument:
        """The newest answer there is within `PATIENCE_SECONDS`; `OPENING` before the first."""
        if time.monotonic() - self._known_at > FRESH_SECONDS and self._checking.acquire(blocking=False):
            threading.Thread(target=self._refresh, name="readiness", daemon=True).start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._checking.locked() and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
        return self._known

    def _refresh(self) -> None:
        try:
            self._known = self._check()
            self._known_at = time.monotonic()
        finally:
            self._checking.release()
