"""The limits on what clients may send and on how long the server waits for them.

Source texts are limited by the engine itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from exported_models.contract.request import DEFAULT_REQUEST_BYTES

MAX_API_BODY_BYTES: Final = 64_000
MAX_PAGE_BODY_BYTES: Final = 4 << 20
"""The page sends session files that it opens, of at most half as much, and questions, which are far smaller."""
MAX_HEADER_BYTES: Final = 64 << 10
"""Request line and headers together."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Most work that the server does at once, and its patience with clients in seconds.

    Attributes:
        running: calls that compute at once, each in a thread. Threads take turns at Python's interpreter, so more of
            them make no answer sooner and every probe later.
        maps: calls among those that lay out neighborhoods; smaller calls go before others of these.
        waiting: calls that wait for one of those to end, and maps that wait; one more is refused with 503.
        queue_seconds: longest wait; a call that waited longer is refused with 503.
        map_queue_seconds: longest wait that a map may expect when it comes; one that would wait longer is refused with
            503 at once.
        map_patience_seconds: a map that has waited longer lets no smaller call go first.
        connections: open connections; one more is closed at once.
        head_seconds: time for the request line and the headers to arrive, counted from the connection or the first
            byte after an answer.
        body_seconds: time for a whole body to arrive.
        idle_seconds: time that a connection is kept open between two requests.
        send_seconds: time that a client may leave a full buffer unread.
        finish_seconds: time that running requests have to finish after the server was told to stop.
        request_bytes: largest estimated record of a search that is answered, see
            `exported_models.search.footprint.estimate_bytes`.
    """

    running: int = 4
    maps: int = 2
    waiting: int = 32
    queue_seconds: float = 10.0
    map_queue_seconds: float = 1.0
    map_patience_seconds: float = 2.0
    connections: int = 500
    head_seconds: float = 10.0
    body_seconds: float = 10.0
    idle_seconds: int = 60
    send_seconds: float = 30.0
    finish_seconds: float = 1.0
    request_bytes: int = DEFAULT_REQUEST_BYTES


def max_body_bytes(path: str) -> int:
    """The most bytes of body that a path is sent."""
    return MAX_API_BODY_BYTES if path.startswith("/api/") else MAX_PAGE_BODY_BYTES
