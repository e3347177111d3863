"""The composition of the page: one Dash app of all views."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import dash

from dashboard.services import Services
from dashboard.views import header, pane
from dashboard.views.page import lay_out_page

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


def create_page(services: Services) -> dash.Dash:
    """The page as a Dash app of its own, without the answers to its panes; nothing is shared between two apps."""
    app = dash.Dash(
        "beamscope",
        title="Beamscope",
        update_title=None,  # type: ignore[arg-type]  # None keeps the title still; Dash documents it so
        assets_folder=str(ASSETS),
        index_string=INDEX,
        serve_locally=True,
        suppress_callback_exceptions=True,
    )
    app.layout = lambda: lay_out_page(services)
    header.register(app)
    pane.register(app)
    return app
