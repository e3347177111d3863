"""The limits on what a client may send, in bytes and seconds. Source texts are limited by the engine itself."""

from __future__ import annotations

from typing import Final

MAX_API_BODY_BYTES: Final = 64_000
MAX_PAGE_BODY_BYTES: Final = 4 << 20
"""The page sends its history and what it shows with a callback; the figure is far above both."""
MAX_HEADER_BYTES: Final = 64 << 10
"""Request line and headers together."""
BODY_SECONDS: Final = 10.0
"""Time for a whole body to arrive."""


def max_body_bytes(path: str) -> int:
    """The most bytes of body that a path is sent."""
    return MAX_API_BODY_BYTES if path.startswith("/api/") else MAX_PAGE_BODY_BYTES
