"""Serve the page to people: waitress, several threads, loopback unless told otherwise."""

from __future__ import annotations

import dash
import waitress

THREADS = 8


def serve(app: dash.Dash, *, host: str = "127.0.0.1", port: int = 8050) -> None:
    """Serve until interrupted.

    Raises:
        OSError: the port is taken or the address is not this machine's.
    """
    waitress.serve(app.server, host=host, port=port, threads=THREADS, ident="Beamscope")
