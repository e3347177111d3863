"""Errors as notifications: one clear sentence, never a traceback."""

from __future__ import annotations

from typing import Any, Literal

from dashboard.request_id import point_to_log
from dashboard.state.question import Question, Translate
from exported_models.contract.errors import BeamscopeError, SourceTooLongError


def notice(kind: Literal["error", "info"], text: str) -> dict[str, Any]:
    """A notification as `assets/page.js` shows it."""
    return {"kind": kind, "text": text}


def refuse(error: BeamscopeError, question: object) -> dict[str, Any]:
    """The notification of a question that cannot be answered, with a button for what a person would ask for instead."""
    wish = question.wish if isinstance(question, Question) else None
    refusal = notice("error", str(error))
    if isinstance(error, SourceTooLongError) and isinstance(wish, Translate):
        again = {**wish.model_dump(mode="json"), "typed": True, "cut": True}
        return {**refusal, "instead": {"label": "Cut it", "wish": again}}
    return refusal


def describe_error(error: Exception) -> str:
    """The sentence for a person."""
    if isinstance(error, BeamscopeError):
        return str(error)
    return f"Something went wrong here, and it is not your input; {point_to_log()}. Try again."
