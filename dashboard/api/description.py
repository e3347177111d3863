"""The API's description of itself: title, names of the calls, all routers in their order, and the reference."""

from __future__ import annotations

import re
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute

from dashboard.api import comparison, states, translation, what_ifs, workspace
from dashboard.api.reference import write_reference
from dashboard.api.routing import API_ROOT

OPENAPI_PATH: Final = f"{API_ROOT}/openapi.json"
ROUTERS: Final = (
    translation.router,
    what_ifs.router,
    comparison.router,
    states.router,
    workspace.router,
    workspace.probes,
)
reference = APIRouter()

ABOUT: Final[dict[str, Any]] = {
    "title": "Beamscope",
    "summary": "Translate, and look at the states behind it, beside the training examples nearest to them.",
    "license_info": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}


@reference.get("/api/docs", include_in_schema=False)
async def read_reference(request: Request) -> Response:
    """The reference of the API for people."""
    return HTMLResponse(write_reference(request.app.openapi()))


def name_operation(route: APIRoute) -> str:
    """The name of a call for generated clients: its path, with underscores."""
    return re.sub(r"\W+", "_", route.path).strip("_")
