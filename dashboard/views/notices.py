"""Errors as notifications: one clear sentence, never a traceback."""

from __future__ import annotations

from typing import Literal

from dashboard.request_id import point_to_log
from exported_models.contract.errors import BeamscopeError


def notice(kind: Literal["error", "info"], text: str) -> dict[str, str]:
    """A notification as `assets/page.js` shows it."""
    return {"kind": kind, "text": text}


def describe_error(error: Exception) -> str:
    """The sentence for a person."""
    if isinstance(error, BeamscopeError):
        return str(error)
    return f"Something went wrong here, and it is not your input; {point_to_log()}. Try again."
