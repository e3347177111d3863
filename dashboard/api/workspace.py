"""Calls about the workspace: the models and stores in it, and whether they can be served."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request, Response

from dashboard.api.errors import say_no_store
from dashboard.api.readiness import Readiness
from dashboard.api.routing import OF_CROWD, ServicesOfApp, make_router, refusals
from dashboard.api.types import (
    HealthDocument,
    ModelEntry,
    ModelsDocument,
    ReadyDocument,
    SpaceEntry,
    Unreadable,
)
from dashboard.services import Services
from exported_models.contract.errors import BeamscopeError
from exported_models.contract.manifest import SpaceSpec
from state_store.store import StateStore

router = make_router("Workspace")
probes = make_router("Probes", prefix="")


@router.get(
    "/models",
    summary="The models of the workspace, their spaces and their stores.",
    responses=refusals(*OF_CROWD),
)
def models(services: ServicesOfApp) -> ModelsDocument:
    """The models of the workspace; one that does not open is listed with the reason."""
    entries, unreadable = [], []
    for model_id in services.workspace.model_ids():
        try:
            entries.append(_describe_model(services, model_id))
        except BeamscopeError as error:
            unreadable.append(Unreadable(name=model_id, error=str(error)))
    return ModelsDocument(models=entries, unreadable=unreadable)


@probes.get("/healthz", summary="The process is up.")
async def health() -> HealthDocument:
    """The process answers; the workspace is not looked at."""
    return HealthDocument()


@probes.get(
    "/readyz",
    summary="The models and stores open; if not, what is missing.",
    responses={HTTPStatus.SERVICE_UNAVAILABLE.value: {"model": ReadyDocument, "description": "Not ready."}},
)
async def readiness(request: Request, response: Response) -> ReadyDocument:
    """Whether every published model and store opens. A model without a store is ready: it translates.

    The answer is at most some seconds old; a probe never waits for a model that is being opened.
    """
    known: Readiness = request.app.state.readiness
    document = await known.ask()
    if not document.ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return document


def check_readiness(services: Services) -> ReadyDocument:
    """Open every published model and store, and say what is missing."""
    found = models(services)
    damaged = [entry.error for entry in found.unreadable]
    missing = [entry.store_error or say_no_store(entry.model_id) for entry in found.models if entry.store_id is None]
    if not found.models and not damaged:
        missing.append("The workspace holds no exported model; `beamscope build` makes one.")
    return ReadyDocument(
        ready=bool(found.models) and not damaged,
        models=[entry.model_id for entry in found.models],
        missing=[*damaged, *missing],
    )


def _describe_model(services: Services, model_id: str) -> ModelEntry:
    model = services.engine.model(model_id)
    store, reason = services.store_or_reason(model_id)
    return ModelEntry(
        model_id=model_id,
        architecture=model.manifest.architecture,
        content_hash=model.content_hash,
        spaces=[_describe_space(space, store) for space in model.manifest.spaces],
        store_id=store.manifest.store_id if store else None,
        store_error=reason or (store.describe_damage() if store else ""),
    )


def _describe_space(space: SpaceSpec, store: StateStore | None) -> SpaceEntry:
    return SpaceEntry(
        **space.model_dump(exclude={"output"}),
        indexed=store is not None and space.name in store.manifest.space_names,
    )
