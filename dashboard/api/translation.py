"""Calls that search: a source text, with or without a change, and everything the search did."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from fastapi import Response

from dashboard.api.errors import ApiError
from dashboard.api.routing import OF_ARTEFACTS, OF_BODY, OF_CROWD, OF_INPUT, ServicesOfApp, make_router, refusals
from dashboard.api.types import TableAsked, WhatIfAnswer
from dashboard.errors import MissingPackageError
from dashboard.table_columns import MEDIA_TYPES
from dashboard.tables import make_table, write_table
from exported_models.contract.documents import RequestDocument, TraceDocument, WhatIfDocument
from exported_models.contract.trace import Hypothesis, Trace

router = make_router("Translation")
_BYTES: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}


@router.post(
    "/translate",
    summary="Translate a source text and return everything the search did; what-ifs are part of the request.",
    responses=refusals(*OF_BODY, *OF_ARTEFACTS, *OF_INPUT, *OF_CROWD),
)
def translate(asked: RequestDocument, services: ServicesOfApp) -> TraceDocument:
    """The trace of a request: n-best list, beam tree, candidates of every step, attention and top k."""
    return TraceDocument.of(services.trace(asked.to_request()))


@router.post(
    "/what-if",
    summary="Change one decision of a translation and return what follows.",
    responses=refusals(*OF_BODY, *OF_ARTEFACTS, *OF_INPUT, *OF_CROWD),
)
def what_if(asked: WhatIfDocument, services: ServicesOfApp) -> WhatIfAnswer:
    """The trace after a change, and the change in words.

    A wish names the change by its verb: choose another token of the top k, follow a node of the beam tree, forbid
    words, override, copy or restore attention, ablate heads, substitute a word of the source or the target, edit
    either text, change the languages or the search. Steps, ranks and nodes are those of the request's own trace and of
    one of its hypotheses.
    """
    trace = services.trace(asked.request.to_request())
    beside = None
    if asked.beside is not None:
        other = services.trace(asked.beside.request.to_request())
        beside = other, choose_hypothesis(other, asked.beside.hypothesis)
    edit = services.edit(asked.wish, trace, choose_hypothesis(trace, asked.hypothesis), beside)
    return WhatIfAnswer(words=edit.words, trace=TraceDocument.of(services.trace(edit.request)))


@router.post(
    "/table",
    summary="Translate a source text and return a table of the search as a file, CSV or Parquet.",
    responses={
        **refusals(*OF_BODY, *OF_ARTEFACTS, *OF_INPUT, *OF_CROWD, HTTPStatus.NOT_IMPLEMENTED),
        HTTPStatus.OK.value: {"description": "The file.", "content": dict.fromkeys(MEDIA_TYPES.values(), _BYTES)},
    },
    response_class=Response,
)
def table(asked: TableAsked, services: ServicesOfApp) -> Response:
    """A table of a translation. Parquet needs the package pyarrow on the server; without it the call answers 501."""
    trace = services.trace(asked.request.to_request())
    choose_hypothesis(trace, asked.hypothesis)
    try:
        content = write_table(make_table(asked.table, trace, asked.hypothesis), asked.format)
    except MissingPackageError as error:
        raise ApiError(str(error), HTTPStatus.NOT_IMPLEMENTED, "format") from error
    name = f"{asked.table}.{asked.format}"
    return Response(
        content, media_type=MEDIA_TYPES[asked.format], headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def choose_hypothesis(trace: Trace, rank: int) -> Hypothesis:
    """The hypothesis of a rank in the n-best list.

    Raises:
        ApiError: the list is shorter.
    """
    if rank >= len(trace.hypotheses):
        raise ApiError(
            f"There is no hypothesis {rank}: the search found {len(trace.hypotheses)}, counted from 0.",
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "hypothesis",
        )
    return trace.hypotheses[rank]
