"""The composition of the page: one Dash app over one workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import dash

from dashboard.api import register_api
from dashboard.notices import show_error
from dashboard.page import lay_out_page
from dashboard.services import Services
from dashboard.views import attention_mode, header, history, nbest, neighborhood, neighbors, stages, translation, tree
from exported_models.workspace import Workspace

VIEWS: Final = (header, stages, translation, attention_mode, nbest, tree, history, neighborhood, neighbors)
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
    services = Services.open(workspace)
    app.layout = lambda: lay_out_page(services)
    for view in VIEWS:
        view.register(app, services)
    register_api(app.server, services)
    return app
