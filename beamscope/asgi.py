"""The workbench for an ASGI server of one's own: ``uvicorn --factory beamscope.asgi:create_app``.

``BEAMSCOPE_WORKSPACE`` names the workspace (default: the current folder). ``BEAMSCOPE_HOST`` is the name that requests
are addressed to, besides those of loopback; ``0.0.0.0`` allows all names. There is no log-in.
"""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI

from beamscope import settings
from dashboard.serving import create_application


def create_app() -> FastAPI:
    """The workbench as an ASGI application.

    Raises:
        CommandError: the workspace is not a folder.
    """
    workspace = settings.resolve_workspace(Path(os.environ.get(settings.WORKSPACE_VARIABLE, ".")))
    return create_application(workspace, os.environ.get(settings.HOST_VARIABLE, settings.DEFAULT_HOST))
