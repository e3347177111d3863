"""Grant a wish: from the state of a pane and a wish to the next state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from dashboard.services import Services
from dashboard.state import question as asked
from dashboard.state.page_state import PageState, Selection
from dashboard.state.question import Options
from dashboard.state.url_state import decode_link
from dashboard.views.changed_models import say_missing, warn_of_change
from exported_models.contract.errors import RequestError
from exported_models.contract.request import Request
from exported_models.contract.wishes import (
    CopyAttention,
    EditSource,
    EditTarget,
    SetSearch,
    StartOver,
    Substitute,
    SubstituteTarget,
    Wish,
)
from exported_models.edits import revise, start

COMPARED_AT_ONCE: Final = (EditSource, EditTarget, Substitute, SubstituteTarget)
"""Wishes that show their answer beside the one they changed."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The state of a pane before or after a wish.

    Attributes:
        state: None before the first translation.
        label: what the wish changed, for the history; empty where the requests before and after say it.
        warning: a sentence for the analyst about what is shown; empty for none.
    """

    state: PageState | None
    selection: Selection | None
    label: str = ""
    warning: str = ""


def grant(services: Services, turn: Turn, wish: Wish | asked.PageWish, options: Options) -> Turn:
    """The turn after a wish; its request is not decoded yet. The pin stays, unless the wish is about it.

    Raises:
        BeamscopeError: the wish cannot be granted; the message says why.
    """
    after = _grant(services, turn, wish, options)
    if after.state is None or after.state.pinned or isinstance(wish, asked.Open | asked.Pin | asked.Unpin | asked.Swap):
        return after
    pinned = turn.state and (turn.state.pinned or (turn.state if isinstance(wish, COMPARED_AT_ONCE) else None))
    return replace(after, state=after.state.pin(pinned))


def _grant(services: Services, turn: Turn, wish: Wish | asked.PageWish, options: Options) -> Turn:
    match wish:
        case asked.Open():
            return open_link(services, turn, wish.fragment)
        case asked.Translate():
            return _show(turn, translate(services, turn.state, wish))
        case asked.Show():
            return show_again(services, turn, wish)
        case asked.Hypothesis():
            return _show(turn, PageState(shown_state(turn).request, wish.value))
        case asked.Neighbor():
            return open_neighbor(services, turn, options.space, wish.value)
        case asked.Pin() | asked.Unpin() | asked.Swap():
            return _show(turn, _move_pin(turn, wish))
        case asked.Export():
            return turn
        case _:
            return edit(services, turn, wish)


def edit(services: Services, turn: Turn, wish: Wish) -> Turn:
    """The turn after a change of the shown request."""
    state = shown_state(turn)
    beside = services.chosen(state.pinned) if state.pinned and isinstance(wish, CopyAttention) else None
    changed = services.edit(wish, *services.chosen(state), beside)
    return replace(turn, state=PageState(changed.request), label=changed.words)


def _move_pin(turn: Turn, wish: asked.Pin | asked.Unpin | asked.Swap) -> PageState:
    match wish:
        case asked.Pin():
            return pin(turn, wish.state.to_state() if wish.state else None)
        case asked.Unpin():
            return shown_state(turn).bare
        case asked.Swap():
            return swap(shown_state(turn))


def pin(turn: Turn, wanted: PageState | None) -> PageState:
    """The shown state beside another one, or beside itself; without a pin where that was pinned."""
    state = shown_state(turn)
    pinned = (wanted or state).bare
    return state.pin(None if pinned == state.pinned else pinned)


def swap(state: PageState) -> PageState:
    """The pinned state beside the shown one; the shown one where nothing is pinned."""
    return state.pinned.pin(state) if state.pinned else state


def open_link(services: Services, turn: Turn, fragment: str) -> Turn:
    """The turn that shows the request of a link; without a fragment the first model's example, if there is one.

    A hypothesis that the n-best list does not have becomes its last.

    Raises:
        BeamscopeError: the link does not hold a request, or its models are not here.
    """
    if not fragment.strip("#"):
        return _show(turn, _first_request(services))
    link = decode_link(fragment)
    return _show_kept(services, turn, link.state, link.models)


def show_again(services: Services, turn: Turn, wish: asked.Show) -> Turn:
    """The turn that shows an answer of the history.

    Raises:
        BeamscopeError: its model is not here.
    """
    state = wish.state.to_state()
    return _show_kept(services, turn, state, {state.request.model_id: wish.model_hash})


def _show_kept(services: Services, turn: Turn, state: PageState, models: Mapping[str, str]) -> Turn:
    """The turn that shows a state that was kept, its hypotheses within the lists that there are now.

    A pinned answer whose model is gone is let go, and the warning says so.

    Args:
        models: hash of each model then.
    """
    here = services.workspace.model_ids()
    pinned = state.pinned
    gone = pinned.request.model_id if pinned and pinned.request.model_id not in here else ""
    warnings = [warn_of_change(services, name, model_hash) for name, model_hash in models.items() if name != gone]
    warnings += [say_missing(gone)] if gone else []
    fitted = _within_list(services, state).pin(None if gone or pinned is None else _within_list(services, pinned))
    return replace(_show(turn, fitted), warning=" ".join(filter(None, warnings)))


def _within_list(services: Services, state: PageState) -> PageState:
    trace = services.trace(state.request)
    return PageState(state.request, min(state.hypothesis, len(trace.hypotheses) - 1))


def translate(services: Services, state: PageState | None, wish: asked.Translate) -> PageState | None:
    """The request that the header asks for; the shown one where the header asks for just that."""
    if state is None and not wish.typed:
        return None
    source = wish.source if wish.typed or state is None else state.request.source
    request = start_over(state, wish.model, source or "", wish.beam_size, wish.length_penalty, cut=wish.cut)
    if state and services.trace(request).request == services.trace(state.request).request:
        return state
    return PageState(request)


def open_neighbor(services: Services, turn: Turn, space: str, value: str) -> Turn:
    """The turn that translates a neighbor's own source, its word selected; ``value`` is ``sentence:position``."""
    state = shown_state(turn)
    sentence, position = (int(part) for part in value.split(":"))
    store = services.store(state.request.model_id)
    if store is None:
        return turn
    opened = PageState(revise(state.request, StartOver(store.pair(sentence).source)))
    return replace(turn, state=opened, selection=Selection(store.manifest.space(space).owner, position))


def start_over(
    state: PageState | None,
    model_id: str,
    source: str,
    beam_size: int | None,
    length_penalty: float | None,
    *,
    cut: bool = False,
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
        return start(StartOver(source, model_id, settings, cut))
    same = (state.request.model_id, state.request.source) == (model_id, source) and state.request.cut_source >= cut
    return revise(state.request, settings if same else StartOver(source, model_id, settings, cut))


def shown_state(turn: Turn) -> PageState:
    """The request that the pane shows.

    Raises:
        RequestError: nothing yet.
    """
    if turn.state is None:
        raise RequestError("There is no translation yet; type a source text and press Enter.", field="source")
    return turn.state


def _show(turn: Turn, state: PageState | None) -> Turn:
    """Another request, or the shown one where there is no other. The selected word stays where there is one."""
    return replace(turn, state=state or turn.state)


def _first_request(services: Services) -> PageState | None:
    models = services.workspace.model_ids()
    text = services.example(models[0]) if models else None
    return PageState(Request(models[0], text)) if text else None
