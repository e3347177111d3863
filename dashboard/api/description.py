"""The API's description of itself: title, names of the calls, and all routers in their order."""

from __future__ import annotations

import re
from typing import Any, Final

from fastapi.routing import APIRoute

from dashboard.api import states, translation, workspace
from dashboard.api.routing import API_ROOT

OPENAPI_PATH: Final = f"{API_ROOT}/openapi.json"
ROUTERS: Final = (translation.router, states.router, workspace.router, workspace.probes)

ABOUT: Final[dict[str, Any]] = {
    "title": "Beamscope",
    "summary": "Translate, and look at the states behind it, beside the training examples nearest to them.",
    "license_info": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}


def name_operation(route: APIRoute) -> str:
    """The name of a call for generated clients: its path, with underscores."""
    return re.sub(r"\W+", "_", route.path).strip("_")
