"""The composition of everything that is served: API and page over one workspace, behind one row of guards."""

from __future__ import annotations

from http import HTTPStatus
from importlib.metadata import version
from typing import Final, cast

from a2wsgi import WSGIMiddleware
from fastapi import FastAPI
from fastapi.middleware import Middleware
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.api.description import ABOUT, OPENAPI_PATH, ROUTERS, name_operation, reference
from dashboard.api.errors import ApiError
from dashboard.api.readiness import Readiness
from dashboard.api.workspace import check_readiness
from dashboard.app import create_page, list_script_hashes
from dashboard.services import Services
from dashboard.serving import panes
from dashboard.serving.access import LogIn
from dashboard.serving.errors import HANDLERS, UnexpectedErrors
from dashboard.serving.gate import Gate
from dashboard.serving.guards import (
    BodyLimit,
    HeadAsGet,
    HostCheck,
    OriginCheck,
    PathPrefix,
    SecurityHeaders,
    write_policy,
)
from dashboard.serving.limits import Limits
from dashboard.serving.metrics import Metrics
from dashboard.serving.metrics import router as metrics_router
from dashboard.serving.observing import Observe
from dashboard.site import Site
from dashboard.state.session import SessionDocument
from exported_models.contract.errors import shorten
from exported_models.contract.workspace import Workspace

_ROUTERS: Final = (*ROUTERS, reference, panes.router, metrics_router)
PAGE_THREADS: Final = 4
"""Threads that serve the files of the page, which is a Flask app."""


def create_application(
    workspace: Workspace,
    site: Site | None = None,
    limits: Limits | None = None,
    session: SessionDocument | None = None,
) -> FastAPI:
    """The workbench and its HTTP API as one ASGI application; nothing is shared between two of them.

    Args:
        workspace: the models and stores to serve.
        site: where it is reached and who may; None for this machine and everybody on it. Requests addressed to other
            hosts are refused, but for those to loopback; with ``0.0.0.0`` or ``::`` none are.
        limits: what clients may ask of the server; None for the usual ones.
        session: a session that whoever has its address may open; None for none.
    """
    limits, site = limits or Limits(), site or Site()
    services = Services.open(workspace, limits.request_bytes, session)
    page = create_page(services, site.path_prefix)
    metrics = Metrics(services)
    application = FastAPI(
        **ABOUT,
        version=version("beamscope"),
        openapi_url=OPENAPI_PATH,
        servers=[{"url": site.path_prefix}] if site.path_prefix else None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        generate_unique_id_function=name_operation,
        exception_handlers=HANDLERS,
        middleware=[
            Middleware(Observe, metrics=metrics, calls=_list_calls()),
            Middleware(SecurityHeaders, policy=write_policy(list_script_hashes(page))),
            Middleware(PathPrefix, prefix=site.path_prefix),
            Middleware(HostCheck, bound_host=site.host, names=site.names),
            Middleware(OriginCheck),
            Middleware(HeadAsGet),
            Middleware(BodyLimit, limits=limits),
            Middleware(LogIn, access=site.access),
            Middleware(Gate, limits=limits, metrics=metrics),
            Middleware(UnexpectedErrors),
        ],
    )
    application.state.services = services
    application.state.metrics = metrics
    application.state.readiness = Readiness(lambda: check_readiness(services))
    for router in _ROUTERS:
        application.include_router(router)
    files = WSGIMiddleware(page.server, workers=PAGE_THREADS)
    application.router.default = _Rest(application, cast("ASGIApp", files))
    return application


def _list_calls() -> frozenset[str]:
    """The paths that have a route."""
    return frozenset(route.path for router in _ROUTERS for route in router.routes if isinstance(route, APIRoute))


class _Rest:
    """The paths without a route: those under ``/api`` are refused, all others are the page's."""

    def __init__(self, application: FastAPI, page: ASGIApp) -> None:
        self._application = application
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the page, or raise an error that lists the calls there are."""
        path = scope["path"]
        if path == "/api" or path.startswith("/api/"):
            first, *others = (known for known in self._application.openapi()["paths"] if known.startswith("/api/"))
            names = ", ".join([first, *(known.rpartition("/")[2] for known in others)])
            raise ApiError(f"There is no {shorten(path)}; there are {names} (/api/docs).", HTTPStatus.NOT_FOUND)
        await self._page(scope, receive, send)
