"""Calls about states: their neighbors in the corpus, and maps of both."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Query

from dashboard.api.errors import ApiError, say_no_store
from dashboard.api.routing import OF_ARTEFACTS, OF_BODY, OF_CROWD, OF_INPUT, ServicesOfApp, make_router, refusals
from dashboard.api.translation import choose_hypothesis
from dashboard.api.types import NeighborsAsked, ProjectAsked, ProjectionAsked, ProjectionDocument
from dashboard.services import Services
from exported_models.contract.trace import Trace
from state_store.contexts import TOKEN
from state_store.documents import NeighborhoodDocument, NeighborsDocument
from state_store.neighborhood import gather_evidence
from state_store.store import StateStore

router = make_router("States")


@router.post(
    "/neighbors",
    summary="The training examples whose states are nearest to one state of a request.",
    responses=refusals(*OF_BODY, *OF_ARTEFACTS, *OF_INPUT, *OF_CROWD),
)
def neighbors(asked: NeighborsAsked, services: ServicesOfApp) -> NeighborsDocument:
    """The neighbors of one state, nearest first, each with its sentence pair. Neighbors from the request's own source
    are left out.
    """
    trace, store = _open(services, asked)
    chosen = choose_hypothesis(trace, asked.hypothesis)
    evidence = gather_evidence(store, trace, chosen, asked.space, k=asked.k, positions=[asked.step])
    return NeighborsDocument.of(asked.space, evidence)


@router.post(
    "/project",
    summary="Every state of a source or a hypothesis with its neighbors, placed on a map.",
    responses=refusals(*OF_BODY, *OF_ARTEFACTS, *OF_INPUT, *OF_CROWD),
)
def project(asked: ProjectAsked, services: ServicesOfApp) -> NeighborhoodDocument:
    """The trajectory of the states through their neighborhood."""
    trace, store = _open(services, asked)
    found = services.neighborhoods.get(store, trace, asked.hypothesis, asked.space, map_kind=asked.map, k=asked.k)
    return NeighborhoodDocument.of(found)


@router.get(
    "/projection",
    summary="The corpus map: a sample of the states of a space, the same from request to request.",
    responses=refusals(*OF_ARTEFACTS, *OF_INPUT, *OF_CROWD),
)
def projection(asked: Annotated[ProjectionAsked, Query()], services: ServicesOfApp) -> ProjectionDocument:
    """A sample of the places that the states of the corpus have on its map."""
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
        tokens=list(map(opened.token, tokens)),
    )


def _open(services: Services, asked: NeighborsAsked | ProjectAsked) -> tuple[Trace, StateStore]:
    """The trace and the store of a question.

    Raises:
        ApiError: the model has no store, or the search found no hypothesis of that rank.
    """
    request = asked.request.to_request()
    store = _store_of(services, request.model_id)
    store.space(asked.space)
    trace = services.trace(request)
    choose_hypothesis(trace, asked.hypothesis)
    return trace, store


def _store_of(services: Services, model_id: str) -> StateStore:
    store = services.store(model_id)
    if store is None:
        raise ApiError(say_no_store(model_id), HTTPStatus.NOT_FOUND, "model_id")
    return store
