"""What each call of the API answers: from typed questions to typed documents, no HTTP here."""

from __future__ import annotations

from http import HTTPStatus

from dashboard.api.errors import ApiError
from dashboard.api.types import (
    HealthDocument,
    ModelEntry,
    ModelsDocument,
    NeighborsAsked,
    Nothing,
    ProjectAsked,
    ProjectionAsked,
    ProjectionDocument,
    ReadyDocument,
    SpaceEntry,
    Unreadable,
)
from dashboard.services import Services
from exported_models.contract.documents import RequestDocument, TraceDocument
from exported_models.contract.errors import BeamscopeError
from exported_models.contract.trace import Trace
from state_store.contexts import TOKEN
from state_store.documents import NeighborhoodDocument, NeighborsDocument
from state_store.neighborhood import gather_evidence
from state_store.store import StateStore


def translate(services: Services, asked: RequestDocument) -> TraceDocument:
    """The trace of a request."""
    return TraceDocument.of(services.trace(asked.to_request()))


def neighbors(services: Services, asked: NeighborsAsked) -> NeighborsDocument:
    """The neighbors of one state of a request."""
    trace, store = _open(services, asked)
    chosen = trace.hypotheses[asked.hypothesis]
    evidence = gather_evidence(store, trace, chosen, asked.space, k=asked.k, positions=[asked.step])
    return NeighborsDocument.of(asked.space, evidence)


def project(services: Services, asked: ProjectAsked) -> NeighborhoodDocument:
    """The neighborhood of a request on a map."""
    trace, store = _open(services, asked)
    found = services.neighborhoods.get(store, trace, asked.hypothesis, asked.space, map_kind=asked.map, k=asked.k)
    return NeighborhoodDocument.of(found)


def projection(services: Services, asked: ProjectionAsked) -> ProjectionDocument:
    """A sample of a corpus map."""
    store = _store_of(services, asked.model_id)
    opened = store.space(asked.space)
    background = store.background(asked.space, asked.map, asked.limit)
    tokens = opened.space.tokens[background.rows, TOKEN].tolist()
    return ProjectionDocument(
        model_id=asked.model_id,
        store_id=store.manifest.store_id,
        space=asked.space,
        map=asked.map,
        rows=background.rows.tolist(),
        x=background.positions[:, 0].tolist(),
        y=background.positions[:, 1].tolist(),
        tokens=[opened.vocabulary[token] for token in tokens],
    )


def models(services: Services, asked: Nothing) -> ModelsDocument:
    """What the workspace holds; what does not open is listed with its reason."""
    del asked
    entries, unreadable = [], []
    for model_id in services.workspace.model_ids():
        try:
            entries.append(_describe_model(services, model_id))
        except BeamscopeError as error:
            unreadable.append(Unreadable(name=model_id, error=str(error)))
    return ModelsDocument(models=entries, unreadable=unreadable)


def health(services: Services, asked: Nothing) -> HealthDocument:
    """The process answers, whatever the workspace holds."""
    del services, asked
    return HealthDocument()


def readiness(services: Services, asked: Nothing) -> ReadyDocument:
    """Open everything that is published and say what is missing; a model without its store still translates."""
    found = models(services, asked)
    damaged = [entry.error for entry in found.unreadable]
    missing = [entry.store_error or _say_no_store(entry.model_id) for entry in found.models if entry.store_id is None]
    if not found.models and not damaged:
        missing.append("The workspace holds no exported model; `beamscope build` makes one.")
    return ReadyDocument(
        ready=bool(found.models) and not damaged,
        models=[entry.model_id for entry in found.models],
        missing=[*damaged, *missing],
    )


def _open(services: Services, asked: NeighborsAsked | ProjectAsked) -> tuple[Trace, StateStore]:
    """The trace and the store of a question, after checking what only they can tell."""
    request = asked.request.to_request()
    store = _store_of(services, request.model_id)
    store.space(asked.space)
    trace = services.trace(request)
    if asked.hypothesis >= len(trace.hypotheses):
        raise ApiError(
            f"There is no hypothesis {asked.hypothesis}: the search found {len(trace.hypotheses)}, counted from 0.",
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "hypothesis",
        )
    return trace, store


def _store_of(services: Services, model_id: str) -> StateStore:
    store = services.store(model_id)
    if store is None:
        raise ApiError(_say_no_store(model_id), HTTPStatus.NOT_FOUND, "model_id")
    return store


def _say_no_store(model_id: str) -> str:
    return f"There is no state store for the model {model_id!r}; `beamscope build` with its project file makes one."


def _describe_model(services: Services, model_id: str) -> ModelEntry:
    model = services.engine.model(model_id)
    store, reason = services.store_or_reason(model_id)
    return ModelEntry(
        model_id=model_id,
        architecture=model.manifest.architecture,
        content_hash=model.content_hash,
        spaces=[
            SpaceEntry(name=space.name, owner=space.owner, size=space.size, meaning=space.meaning)
            for space in model.manifest.spaces
        ],
        store_id=store.manifest.store_id if store else None,
        store_error=reason,
    )
