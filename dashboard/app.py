"""The composition of the page: one Dash app of all views."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Final
from urllib.parse import quote

import dash

from dashboard.services import Services
from dashboard.views import header, pane, search_settings
from dashboard.views.page import lay_out_page

ASSETS: Final = Path(__file__).parent / "assets"

# The theme is set before the first paint, so that a dark page never flashes white.
_SET_THEME: Final = """
(function () {
  var kept = null;
  try { kept = localStorage.getItem("beamscope-theme"); } catch (error) { kept = null; }
  var dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = kept || (dark ? "dark" : "light");
})();
"""

# A link to a file would be asked for again whenever the address changes, which is at every click.
_ICON: Final = (ASSETS / "favicon.svg").read_text(encoding="utf-8").strip()

INDEX: Final = f"""<!DOCTYPE html>
<html lang="en">
<head>
{{%metas%}}
<title>{{%title%}}</title>
<link rel="icon" type="image/svg+xml" href="data:image/svg+xml,{quote(_ICON)}">
<script>{_SET_THEME}</script>
{{%css%}}
</head>
<body>
{{%app_entry%}}
<footer hidden>{{%config%}}{{%scripts%}}{{%renderer%}}</footer>
</body>
</html>"""


def create_page(services: Services, path_prefix: str = "") -> dash.Dash:
    """The page as a Dash app of its own, without the answers to its panes; nothing is shared between two apps.

    ``path_prefix`` is its path in the browser, as ``/beamscope``; on the server it stands at the root.
    """
    app = dash.Dash(
        "beamscope",
        title="Beamscope",
        update_title=None,  # type: ignore[arg-type]  # None keeps the title still; Dash documents it so
        assets_folder=str(ASSETS),
        index_string=INDEX,
        requests_pathname_prefix=f"{path_prefix}/",
        routes_pathname_prefix="/",
        serve_locally=True,
        suppress_callback_exceptions=True,
    )
    app.layout = lambda: lay_out_page(services)
    header.register(app)
    search_settings.register(app)
    pane.register(app)
    return app


def list_script_hashes(page: dash.Dash) -> list[str]:
    """The inline scripts of the page as sources of a Content-Security-Policy."""
    digest = base64.b64encode(hashlib.sha256(_SET_THEME.encode()).digest()).decode()
    return [f"'sha256-{digest}'", *page.csp_hashes()]
