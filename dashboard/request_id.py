"""The id of the request that is being answered: it stands in the answer, in the log, and in what a person is told."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar
from typing import Final

HEADER: Final = "X-Request-ID"
_SENT: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CURRENT: ContextVar[str] = ContextVar("request_id", default="")


def begin_request(sent: str) -> str:
    """The id of a request from here on: the one that a proxy sent, where it is fit for a log, or a new one."""
    request_id = sent if _SENT.fullmatch(sent) else secrets.token_hex(6)
    _CURRENT.set(request_id)
    return request_id


def current_request() -> str:
    """The id of the request that is being answered; empty outside of one."""
    return _CURRENT.get()


def point_to_log() -> str:
    """The words that lead from an unexpected error to its place in the log."""
    request_id = current_request()
    return f"the server's log says what (request {request_id})" if request_id else "the server's log says what"
