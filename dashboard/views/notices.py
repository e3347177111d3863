"""Errors as notifications: one clear sentence, never a traceback."""

from __future__ import annotations

from typing import Literal

from exported_models.contract.errors import BeamscopeError

UNEXPECTED = "Something went wrong here, and it is not your input. The server's log has the details; try again."


def notice(kind: Literal["error", "info"], text: str) -> dict[str, str]:
    """A notification as `assets/page.js` shows it."""
    return {"kind": kind, "text": text}


def describe_error(error: Exception) -> str:
    """The sentence for a person."""
    return str(error) if isinstance(error, BeamscopeError) else UNEXPECTED
