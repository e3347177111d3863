"""The composition of the page: one Dash app over one workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import dash
from flask import Flask, Response

from dashboard.api import register_api
from dashboard.services import Services
from dashboard.views import (
    attention_mode,
    head_ablation,
    header,
    history,
    nbest,
    neighborhood,
    neighbors,
    stages,
    translation,
    tree,
)
from dashboard.views.notices import show_error
from dashboard.views.page import lay_out_page
from exported_models.contract.workspace import Workspace

VIEWS: Final = (
    header,
    stages,
    translation,
    attention_mode,
    head_ablation,
    nbest,
    tree,
    history,
    neighborhood,
    neighbors,
)
ASSETS: Final = Path(__file__).parent / "assets"

# The theme is set before the first paint, so that a dark page never flashes white.
INDEX: Final = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<title>{%title%}</title>
<link rel="icon" type="image/svg+xml" href="assets/favicon.svg">
<script>
(function () {
  var kept = null;
  try { kept = localStorage.getItem("beamscope-theme"); } catch (error) { kept = null; }
  var dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = kept || (dark ? "dark" : "light");
})();
</script>
{%css%}
</head>
<body>
{%app_entry%}
<footer hidden>{%config%}{%scripts%}{%renderer%}</footer>
</body>
</html>"""


MAX_BODY_BYTES: Final = 4 << 20
"""Far above what the page sends; the HTTP API allows less."""


def create_app(workspace: Workspace) -> dash.Dash:
    """The workbench and its HTTP API as one WSGI app (``app.server``); nothing is shared between two apps."""
    app = dash.Dash(
        "beamscope",
        title="Beamscope",
        update_title=None,  # type: ignore[arg-type]  # None keeps the title still; Dash documents it so
        assets_folder=str(ASSETS),
        index_string=INDEX,
        serve_locally=True,
        on_error=show_error,
        suppress_callback_exceptions=True,
    )
    _harden(app.server)
    services = Services.open(workspace)
    app.layout = lambda: lay_out_page(services)
    for view in VIEWS:
        view.register(app, services)
    register_api(app.server, services)
    return app


def _harden(server: Flask) -> None:
    """Bound what a request may send, and keep other sites from framing the page or guessing at types."""
    server.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES

    @server.after_request
    def forbid_framing(response: Response) -> Response:
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
