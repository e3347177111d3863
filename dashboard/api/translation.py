"""Calls that search: a source text, with or without a change, and everything the search did."""

from __future__ import annotations

from dashboard.api.routing import OF_ARTEFACTS, OF_BODY, OF_INPUT, ServicesOfApp, make_router, refusals
from exported_models.contract.documents import RequestDocument, TraceDocument

router = make_router("Translation")


@router.post(
    "/translate",
    summary="Translate a source text and return everything the search did; what-ifs are part of the request.",
    responses=refusals(*OF_BODY, *OF_ARTEFACTS, *OF_INPUT),
)
def translate(asked: RequestDocument, services: ServicesOfApp) -> TraceDocument:
    """The trace of a request: n-best list, beam tree, candidates of every step, attention and top k."""
    return TraceDocument.of(services.trace(asked.to_request()))
