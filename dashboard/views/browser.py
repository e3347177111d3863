"""Callbacks that run in the browser; their functions are in `assets/`."""

from __future__ import annotations

from typing import Any

import dash
from dash import ClientsideFunction


def run_in_browser(app: dash.Dash, function: str, *wiring: Any, at_start: bool = True) -> None:
    """Register ``window.dash_clientside.beamscope[function]`` with its outputs, inputs and states."""
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("beamscope", function), *wiring, prevent_initial_call=not at_start
    )
