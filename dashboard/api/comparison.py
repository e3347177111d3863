"""Calls that compare two answered requests."""

from __future__ import annotations

from dashboard.api.routing import OF_ARTEFACTS, OF_BODY, OF_CROWD, OF_INPUT, ServicesOfApp, make_router, refusals
from dashboard.api.translation import choose_hypothesis
from dashboard.api.types import CompareAsked, SideAsked
from dashboard.services import Services
from exported_models.comparison.comparison import compare as compare_sides
from exported_models.comparison.documents import ComparisonDocument
from exported_models.comparison.reference import compare_with_reference
from exported_models.comparison.sides import Side

router = make_router("Comparison")


@router.post(
    "/compare",
    summary="Lay two translations side by side, of one model or of two, with a reference beside them if there is one.",
    responses=refusals(*OF_BODY, *OF_ARTEFACTS, *OF_INPUT, *OF_CROWD),
)
def compare(asked: CompareAsked, services: ServicesOfApp) -> ComparisonDocument:
    """Aligned tokens and words, the first step where both part, scores, moved attention, and the beam trees overlaid.

    A change is made by `what-if`; its request, which the answer names, is one side of a comparison.
    """
    before, after = (_open(services, side) for side in (asked.before, asked.after))
    reference = asked.reference
    judged = None if reference is None else compare_with_reference(services.engine, before, after, reference)
    return ComparisonDocument.of(compare_sides(before, after, judged))


def _open(services: Services, asked: SideAsked) -> Side:
    trace = services.trace(asked.request.to_request())
    choose_hypothesis(trace, asked.hypothesis)
    return Side.of(services.engine.model(asked.request.model_id), trace, asked.hypothesis)
