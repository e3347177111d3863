"""Priority of long runs: they leave the cores to requests that somebody waits for."""

from __future__ import annotations

import os
from typing import Final

import click

OWN_PROCESS: Final = "own process"
"""Object of a click context whose command has the process to itself, and does not run inside another program."""
_NICENESS = 10


def yield_to_requests() -> None:
    """Lower the priority of this process and of those it starts, beside a server on the same machine.

    Without effect where a command runs inside another program, since a lowered priority cannot be raised again.
    """
    if click.get_current_context().find_root().obj == OWN_PROCESS and hasattr(os, "nice"):
        os.nice(max(0, _NICENESS - os.nice(0)))
