"""The workbench for an ASGI server of one's own: ``uvicorn --factory beamscope.asgi:create_app``.

``BEAMSCOPE_WORKSPACE`` names the workspace (default: the current folder). ``BEAMSCOPE_HOST`` is the name that requests
are addressed to, besides those of loopback; ``0.0.0.0`` allows all names. ``BEAMSCOPE_TOKEN_FILE`` names a file with
the token to log in with; without it whoever reaches the ASGI server may.
"""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI

from beamscope import settings
from dashboard.serving import create_application
from dashboard.site import Access, Site


def create_app() -> FastAPI:
    """The workbench as an ASGI application.

    Raises:
        CommandError: the workspace is not a folder, or the token file cannot be read.
    """
    workspace = settings.resolve_workspace(Path(os.environ.get(settings.WORKSPACE_VARIABLE, ".")))
    token_file = os.environ.get(settings.TOKEN_FILE_VARIABLE, "")
    access = Access(settings.read_token(Path(token_file)) if token_file else "")
    return create_application(
        workspace, Site(os.environ.get(settings.HOST_VARIABLE, settings.DEFAULT_HOST), access=access)
    )
