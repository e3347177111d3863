"""From what a person did on the page to the request it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from dashboard.drawing.words import PairText, TokenText
from dashboard.state.page_state import PageState
from exported_models.contract.errors import RequestError
from exported_models.contract.request import HeadAblation, Request
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.search.overrides import choose_token, force_node, force_tokens, override_attention

MAX_LABEL: Final = 24
"""Characters of a source text that name it in the history."""


def choose_alternative(trace: Trace, hypothesis: Hypothesis, cell: str) -> Request:
    """Decode on from a word of the top k; ``cell`` is ``step:rank``."""
    step, rank = (int(part) for part in cell.split(":"))
    return choose_token(trace, hypothesis, step, trace.top_k(hypothesis)[step][rank].token)


def force_path(trace: Trace, key: str) -> Request:
    """Force the path to a node of the tree: its index, or ``step.rank`` of a pruned candidate."""
    step, dot, rank = key.partition(".")
    if not dot:
        return force_node(trace, int(key))
    candidate = trace.steps[int(step)].candidates[int(rank)]
    return force_tokens(trace, [*(node.token for node in trace.path(candidate.parent)), candidate.token])


def apply_draft(
    trace: Trace, hypothesis: Hypothesis, step: int, weights: Mapping[str, float], layer: int | None, head: int | None
) -> Request:
    """Override one row of attention by a draft (source position -> weight) made on the page."""
    pairs = [(int(source), float(weight)) for source, weight in weights.items()]
    return override_attention(trace, hypothesis, step, sorted(pairs), layer=layer, head=head)


def toggle_heads(request: Request, heads: int, layer: int, head: int | None) -> Request:
    """Ablate a head of cross-attention, or all ``heads`` of a layer; bring them back if all of them are ablated."""
    chosen = {HeadAblation("cross", layer, each) for each in (range(heads) if head is None else [head])}
    before = set(request.ablations)
    return replace(request, ablations=tuple(sorted(before - chosen if chosen <= before else before | chosen)))


def start_over(
    state: PageState | None, model_id: str, source: str, beam_size: int | None, length_penalty: float | None
) -> Request:
    """The request of the header. A new text or model drops the what-ifs, new search options keep them.

    Raises:
        RequestError: there is no model, or the text is empty.
    """
    if not source.strip():
        raise RequestError("There is nothing to translate; type a source text.", field="source")
    if state and (state.request.model_id, state.request.source) == (model_id, source):
        return replace(state.request, beam_size=beam_size, length_penalty=length_penalty)
    return Request(model_id, source, beam_size=beam_size, length_penalty=length_penalty)


def describe_change(before: Trace, hypothesis: Hypothesis, after: Trace, text: PairText) -> str:
    """A few words for the history: what ``after`` changed about ``before``, whose ``hypothesis`` was shown."""
    old, new = before.request, after.request
    if (old.model_id, old.source) != (new.model_id, new.source):
        return describe_start(new)
    changes = [
        _describe_overrides(old, after, text.source) or _describe_prefix(old, new, hypothesis.tokens, text.target),
        _describe_ablations(old, new),
        f"beam {new.beam_size}" if new.beam_size != old.beam_size else "",
        f"length α {new.length_penalty:g}" if _differ(new.length_penalty, old.length_penalty) else "",
    ]
    return ", ".join(change for change in changes if change) or "other options"


def describe_start(request: Request) -> str:
    """A few words for a new source text."""
    text = request.source
    return f"“{text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 1].rstrip() + '…'}”"


def _describe_prefix(before: Request, after: Request, tokens: tuple[str, ...], text: TokenText) -> str:
    if after.prefix == before.prefix:
        return ""
    if not after.prefix:
        return "no prefix"
    step = len(after.prefix) - 1
    was = tokens[step] if step < len(tokens) and after.prefix[:step] == tokens[:step] else ""
    replaced = f"“{text.show(was)}” → " if was and was != after.prefix[step] else "keep "
    return f"{step + 1}: {replaced}“{text.show(after.prefix[step])}”"


def _describe_overrides(before: Request, after: Trace, text: TokenText) -> str:
    fresh = [override for override in after.request.overrides if override not in before.overrides]
    if not fresh:
        return "own attention" if before.overrides and not after.request.overrides else ""
    heaviest = max(fresh[-1].weights, key=lambda pair: pair[1])[0]
    return f"{fresh[-1].step + 1}: attention → “{text.show(after.source.tokens[heaviest])}”"


def _describe_ablations(before: Request, after: Request) -> str:
    fresh, back = (
        [head for head in one if head not in other]
        for one, other in ((after.ablations, before.ablations), (before.ablations, after.ablations))
    )
    return f"without {_name_heads(fresh)}" if fresh else f"with {_name_heads(back)}" if back else ""


def _name_heads(heads: Sequence[HeadAblation]) -> str:
    if len(heads) == 1:
        return f"{heads[0].kind} head {heads[0].layer + 1}.{heads[0].head + 1}"
    return f"{len(heads)} heads"


def _differ(one: float | None, other: float | None) -> bool:
    return one is not None and one != other
