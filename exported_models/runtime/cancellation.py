"""Work that ends when nobody waits for its result any more.

The server begins a `Cancellation` for each call and cancels it when the client leaves. Code below it asks
`check_wanted`: before each call of a graph, and before a cached value is made. A call of a graph that is running ends
at its next node. Threads that the call is handed to share it where they copy the context, as those of Starlette do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import onnxruntime as ort

from exported_models.contract.errors import BeamscopeError

_FATAL = 4
_CURRENT: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


class UnwantedError(BeamscopeError):
    """The work was stopped, since nobody waits for its result."""


class Cancellation:
    """Whether somebody waits for a piece of work. Safe to use from many threads."""

    def __init__(self) -> None:
        self.options = ort.RunOptions()
        self.options.log_severity_level = _FATAL  # a call that is stopped is no news for the log

    def cancel(self) -> None:
        """Stop the work: what runs ends at the next node of its graph, and nothing else begins."""
        self.options.terminate = True

    @property
    def cancelled(self) -> bool:
        """Whether the work was stopped."""
        return bool(self.options.terminate)


@contextmanager
def begin_cancellable() -> Iterator[Cancellation]:
    """A cancellation of all work that is done within the block."""
    cancellation = Cancellation()
    token = _CURRENT.set(cancellation)
    try:
        yield cancellation
    finally:
        _CURRENT.reset(token)


def check_wanted() -> None:
    """Raise `UnwantedError` where the work was cancelled."""
    current = _CURRENT.get()
    if current is not None and current.cancelled:
        raise UnwantedError("The work was stopped, since nobody waits for its result.")


def run_options() -> ort.RunOptions | None:
    """The options that let a call of a graph be stopped; None where nobody can."""
    current = _CURRENT.get()
    return None if current is None else current.options
