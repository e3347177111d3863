"""From an action on the page to the request that it means, by the verbs of `exported_models.edits`."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.state.page_state import PageState
from exported_models.contract.errors import RequestError
from exported_models.contract.request import HeadAblation, Request
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.contract.wishes import Attend, Choose, ForceCandidate, ForceNode, SetSearch, StartOver
from exported_models.edits import apply, revise, start
from exported_models.edits import toggle_heads as toggle


def choose_alternative(trace: Trace, hypothesis: Hypothesis, cell: str) -> Request:
    """Decode on from a word of the top k; ``cell`` is ``step:rank``."""
    step, rank = (int(part) for part in cell.split(":"))
    return apply(Choose(step, rank), trace, hypothesis).request


def force_path(trace: Trace, key: str) -> Request:
    """Force the path to a node of the tree: its index, or ``step.rank`` of a pruned candidate."""
    step, dot, rank = key.partition(".")
    wish = ForceCandidate(int(step), int(rank)) if dot else ForceNode(int(key))
    return apply(wish, trace, trace.best).request


def apply_draft(
    trace: Trace, hypothesis: Hypothesis, step: int, weights: Mapping[str, float], layer: int | None, head: int | None
) -> Request:
    """Override one row of attention by a draft (source position -> weight) made on the page."""
    pairs = sorted((int(source), float(weight)) for source, weight in weights.items())
    return apply(Attend(step, tuple(pairs), layer, head), trace, hypothesis).request


def toggle_heads(request: Request, heads: int, layer: int, head: int | None) -> Request:
    """Ablate a head of cross-attention, or all ``heads`` of a layer; restore them if all of them are ablated."""
    chosen = [HeadAblation("cross", layer, each) for each in (range(heads) if head is None else [head])]
    return revise(request, toggle(request, chosen))


def start_over(
    state: PageState | None, model_id: str, source: str, beam_size: int | None, length_penalty: float | None
) -> Request:
    """The request of the header. A new text or model drops the what-ifs, new search options keep them.

    Raises:
        RequestError: there is no model, or the text is empty.
    """
    if not source.strip():
        raise RequestError("There is nothing to translate; type a source text.", field="source")
    settings = SetSearch(
        "default" if beam_size is None else beam_size, "default" if length_penalty is None else length_penalty
    )
    if state is None:
        return start(StartOver(source, model_id, settings))
    same = (state.request.model_id, state.request.source) == (model_id, source)
    return revise(state.request, settings if same else StartOver(source, model_id, settings))
