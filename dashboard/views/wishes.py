"""Grant a wish: from what a pane shows and what a person did there to what the pane shows next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from dashboard.drawing.picture import read_picker
from dashboard.services import Services
from dashboard.state import question as asked
from dashboard.state.page_state import PageState, Selection
from dashboard.state.past import Past
from dashboard.state.question import Options, Wish
from dashboard.state.url_state import decode_fragment
from dashboard.views.what_ifs import apply_draft, choose_alternative, force_path, start_over, toggle_heads
from exported_models.contract.errors import RequestError
from exported_models.contract.request import Request
from exported_models.contract.wishes import StartOver
from exported_models.edits import revise


@dataclass(frozen=True, slots=True)
class Turn:
    """What a pane shows, before or after a wish; ``state`` is None before the first translation."""

    state: PageState | None
    selection: Selection | None
    past: Past


EditingWish = asked.Choose | asked.Force | asked.Attend | asked.Ablate
"""A wish that changes the shown request."""


def grant(services: Services, turn: Turn, wish: Wish, options: Options) -> Turn:
    """The turn after a wish; its request is not decoded yet.

    Raises:
        BeamscopeError: the wish cannot be granted; the message says why.
    """
    match wish:
        case asked.Open():
            return _show(turn, open_link(services, wish.fragment))
        case asked.Translate():
            return _show(turn, translate(services, turn.state, wish))
        case asked.Undo():
            return _show(turn, turn.past.undo_target)
        case asked.Redo():
            return _show(turn, turn.past.redo_target)
        case asked.Revisit():
            return _show(turn, turn.past.moments[wish.value].state)
        case asked.Hypothesis():
            return _show(turn, PageState(shown_state(turn).request, wish.value))
        case asked.Neighbor():
            return open_neighbor(services, turn, options.space, wish.value)
        case asked.Choose() | asked.Force() | asked.Attend() | asked.Ablate():
            return _show(turn, PageState(edit(services, shown_state(turn), wish, options)))
        case asked.Export():
            return turn
        case _:
            assert_never(wish)


def edit(services: Services, state: PageState, wish: EditingWish, options: Options) -> Request:
    """The request that a wish makes of the shown one."""
    trace, hypothesis = services.chosen(state)
    match wish:
        case asked.Choose():
            return choose_alternative(trace, hypothesis, wish.value)
        case asked.Force():
            return force_path(trace, wish.value)
        case asked.Attend():
            step, weights = read_draft(wish)
            return apply_draft(trace, hypothesis, step, weights, read_picker(options.layer), read_picker(options.head))
        case asked.Ablate():
            return ablate(services, state.request, read_picker(options.layer), read_picker(options.head))
        case _:
            assert_never(wish)


def open_link(services: Services, fragment: str) -> PageState | None:
    """The request of a link; without a fragment the first model's example, if there is one.

    A hypothesis that the n-best list does not have becomes its last.
    """
    state = decode_fragment(fragment) if fragment.strip("#") else _first_request(services)
    if state is None:
        return None
    trace = services.trace(state.request)
    return PageState(state.request, min(state.hypothesis, len(trace.hypotheses) - 1))


def translate(services: Services, state: PageState | None, wish: asked.Translate) -> PageState | None:
    """The request that the header asks for; the shown one where the header asks for just that."""
    if state is None and not wish.typed:
        return None
    source = wish.source if wish.typed or state is None else state.request.source
    request = start_over(state, wish.model, source or "", wish.beam_size, wish.length_penalty)
    if state and services.trace(request).request == services.trace(state.request).request:
        return state
    return PageState(request)


def read_draft(wish: asked.Attend) -> tuple[int, dict[str, float]]:
    """Step and weights of a draft.

    Raises:
        RequestError: no target word or no source word was chosen.
    """
    if wish.step is None:
        raise RequestError("Choose the target word whose attention you want to change.", field="overrides")
    if not wish.weights:
        raise RequestError("Click the source words that should get the attention.", field="overrides")
    return wish.step, dict(wish.weights)


def ablate(services: Services, request: Request, layer: int | None, head: int | None) -> Request:
    """Ablate a head of cross-attention, or a layer's heads, or restore them.

    Raises:
        RequestError: no layer is picked.
    """
    if layer is None:
        raise RequestError("Pick the layer whose attention is to be ablated, or one of its heads.", "ablations")
    heads = services.engine.model(request.model_id).manifest.cross_attention_heads
    return toggle_heads(request, heads, layer, head)


def open_neighbor(services: Services, turn: Turn, space: str, value: str) -> Turn:
    """The turn that translates a neighbor's own source, its word selected; ``value`` is ``sentence:position``."""
    state = shown_state(turn)
    sentence, position = (int(part) for part in value.split(":"))
    store = services.store(state.request.model_id)
    if store is None:
        return turn
    request = revise(state.request, StartOver(store.pair(sentence).source))
    return Turn(PageState(request), Selection(store.manifest.space(space).owner, position), turn.past)


def shown_state(turn: Turn) -> PageState:
    """What the pane shows.

    Raises:
        RequestError: nothing yet.
    """
    if turn.state is None:
        raise RequestError("There is no translation yet; type a source text and press Enter.", field="source")
    return turn.state


def _show(turn: Turn, state: PageState | None) -> Turn:
    """Another request, or the shown one where there is no other. The selected word stays where there is one."""
    return Turn(state or turn.state, turn.selection, turn.past)


def _first_request(services: Services) -> PageState | None:
    models = services.workspace.model_ids()
    text = services.example(models[0]) if models else None
    return PageState(Request(models[0], text)) if text else None
