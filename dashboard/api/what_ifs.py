"""Calls that try many what-ifs of one translation."""

from __future__ import annotations

from dashboard.api.routing import OF_ARTEFACTS, OF_BODY, OF_CROWD, OF_INPUT, ServicesOfApp, make_router, refusals
from dashboard.api.translation import choose_hypothesis
from dashboard.api.types import AttentionAsked, SweepAsked, WhatIfsAsked
from dashboard.chosen_word import list_substitutes
from dashboard.state.page_state import PageState
from exported_models.contract.documents import RequestDocument
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.contract.wishes import Choose, Force, Wish
from exported_models.edits import resolve
from exported_models.what_ifs.attention import find_attention
from exported_models.what_ifs.documents import AttentionSearchDocument, SweepDocument, WhatIfsDocument
from exported_models.what_ifs.listing import list_wishes
from exported_models.what_ifs.sweep import sweep
from exported_models.what_ifs.trials import try_wishes

router = make_router("What-ifs")


@router.post(
    "/what-ifs",
    summary="Try every other word, every head or substitutes of a word, ranked by how much each changes the output.",
    responses=refusals(*OF_BODY, *OF_ARTEFACTS, *OF_INPUT, *OF_CROWD),
)
def try_what_ifs(asked: WhatIfsAsked, services: ServicesOfApp) -> WhatIfsDocument:
    """What-ifs of one translation, those that change the largest share of its words first.

    Each is a wish that `what-if` takes. A client that shows progress asks for them part by part: `first` and `count`
    choose a part of the list, and `total` says how long the list is.
    """
    trace = services.trace(asked.request.to_request())
    hypothesis = choose_hypothesis(trace, asked.hypothesis)
    model = services.engine.model(asked.request.model_id)
    others: list[Wish] = []
    if named := asked.substitutes:
        state = PageState(asked.request.to_request(), asked.hypothesis)
        others = list_substitutes(services, state, named.side, named.word, named.texts)
    wishes = list_wishes(asked.kinds, model.manifest, trace, hypothesis, others)
    text = services.token_text(asked.request.model_id)
    trials = try_wishes(services.engine, trace, hypothesis, wishes[asked.first : asked.end], text)
    return WhatIfsDocument.of(RequestDocument.of(trace.request), hypothesis, trials, len(wishes))


@router.post(
    "/find-attention",
    summary="Find the smallest change of attention that makes a word the most probable one at a step.",
    responses=refusals(*OF_BODY, *OF_ARTEFACTS, *OF_INPUT, *OF_CROWD),
)
def search_attention(asked: AttentionAsked, services: ServicesOfApp) -> AttentionSearchDocument:
    """The attention of a step on one source position, of all heads, of a layer or of one head.

    The first trial listed is the smallest change that makes the word the most probable one, or else the one that comes
    nearest. Its wish is one that `what-if` takes.
    """
    trace = services.trace(asked.request.to_request())
    hypothesis = choose_hypothesis(trace, asked.hypothesis)
    token = _find_token(asked, trace, hypothesis)
    found = find_attention(services.engine, trace, hypothesis, asked.step, token, first=asked.first, count=asked.count)
    return AttentionSearchDocument.of(found, trace.source.tokens)


def _find_token(asked: AttentionAsked, trace: Trace, hypothesis: Hypothesis) -> str:
    """The wanted token.

    Raises:
        RequestError: the translation has no such step or rank.
    """
    if asked.rank is None:
        return asked.token
    wanted = resolve(Choose(asked.step, asked.rank), trace, hypothesis)
    assert isinstance(wanted, Force)
    return wanted.tokens[-1]


@router.post(
    "/sweep",
    summary="Translate with every combination of beam sizes and length penalties.",
    responses=refusals(*OF_BODY, *OF_ARTEFACTS, *OF_INPUT, *OF_CROWD),
)
def sweep_search(asked: SweepAsked, services: ServicesOfApp) -> SweepDocument:
    """The hypotheses that any combination finds, the winner of each, and which appear, move and vanish."""
    request = asked.request.to_request()
    return SweepDocument.of(sweep(services.engine, request, tuple(asked.beam_sizes), tuple(asked.length_penalties)))
