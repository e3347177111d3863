"""Errors as notifications: one clear sentence, never a traceback."""

from __future__ import annotations

import logging
from typing import Any, Literal

from dash import set_props

from dashboard.views.ids import PageId
from exported_models.contract.errors import BeamscopeError

_LOG = logging.getLogger(__name__)

UNEXPECTED = "Something went wrong here, and it is not your input. The server's log has the details; try again."


def notice(kind: Literal["error", "info"], text: str) -> dict[str, str]:
    """The content of ``PageId.NOTICE``."""
    return {"kind": kind, "text": text}


def describe_error(error: Exception) -> str:
    """The sentence for a person."""
    return str(error) if isinstance(error, BeamscopeError) else UNEXPECTED


def show_error(error: Exception) -> Any:
    """Dash's ``on_error``: show the sentence, log what nobody expected, leave the page as it was."""
    if not isinstance(error, BeamscopeError):
        _LOG.error("A callback failed.", exc_info=error)
    set_props(PageId.NOTICE, {"data": notice("error", describe_error(error))})
